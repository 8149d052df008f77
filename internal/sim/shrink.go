package sim

import "slices"

// Shrink answers a script with fewer commands that breaks the same invariant: it
// leaves out as many as it can within a number of attempts, large pieces first.
func Shrink(s Script, invariant string, attempts int) Script {
	fails := func(commands []Command) bool {
		if attempts--; attempts < 0 {
			return false
		}
		try := s
		try.Commands = commands
		r, err := Run(try, nil)
		return err == nil && r.Failure != nil && r.Failure.Invariant == invariant
	}
	for size := max(1, len(s.Commands)/2); size > 0; size /= 2 {
		for at := 0; at < len(s.Commands); {
			less := slices.Delete(slices.Clone(s.Commands), at, min(at+size, len(s.Commands)))
			if fails(less) {
				s.Commands = less
			} else {
				at += size
			}
		}
	}
	return s
}
