package expr

import "fmt"

// Error is a mistake in an expression, in AWS's words; the wire's
// ValidationException.
type Error struct{ Message string }

// Error is the message.
func (e *Error) Error() string { return e.Message }

func errorf(format string, args ...any) error { return &Error{fmt.Errorf(format, args...).Error()} }

// rank orders mistakes by when AWS would report them.
type rank int

const (
	rankParens rank = iota
	rankOperators
	rankPath
	rankFunction
	rankMisuse
	rankReserved
	rankSection
	rankName
	rankValue
	rankOverlap
	rankConflict
	rankCount
	rankDistinct
	rankType
	ranks
)

// updateOrder and conditionOrder are in which order AWS reports mistakes.
var (
	conditionOrder = []rank{rankParens, rankOperators, rankFunction, rankMisuse, rankReserved, rankPath, rankName, rankValue, rankCount, rankDistinct, rankType, rankOverlap, rankConflict}
	updateOrder    = []rank{rankOperators, rankReserved, rankFunction, rankSection, rankPath, rankName, rankValue, rankOverlap, rankConflict, rankCount, rankType}
)

// problems collects the first mistake of each rank.
type problems [ranks]string

func (p *problems) add(r rank, format string, args ...any) {
	if p[r] == "" {
		p[r] = fmt.Sprintf(format, args...)
	}
}

func (p *problems) first(order []rank) error {
	for _, r := range order {
		if p[r] != "" {
			return &Error{p[r]}
		}
	}
	return nil
}
