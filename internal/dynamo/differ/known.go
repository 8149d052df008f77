package differ

import "github.com/meridian-run/meridian/internal/dynamo/model"

// knownDifference is where dynalite does not do what AWS documents.
type knownDifference struct {
	name string
	// rule is what AWS documents or is known to do, reason why dynalite differs.
	rule, reason string
	is           func(s Step, want, got model.Answer) bool
}

var known = []knownDifference{}
