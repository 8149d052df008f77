package item

import "strings"

// mostFew is the number of values up to which it is of no use to count better.
const mostFew = 1 << 16

// Most is an upper bound of the number of values in a JSON text: each but the first
// follows a comma or begins an object or array. It is quick, and exact where there
// are many.
func Most(source string) int {
	n := 1 + strings.Count(source, ",") + strings.Count(source, "{") + strings.Count(source, "[")
	if n <= mostFew {
		return n
	}
	n = 1
	for i := 0; i < len(source); i++ {
		switch source[i] {
		case ',', '{', '[':
			n++
		case '"':
			i = stringEnd(source, i+1)
		}
	}
	return n
}

// stringEnd is where the string ends that goes on at an index.
func stringEnd(source string, at int) int {
	for ; at < len(source) && source[at] != '"'; at++ {
		if source[at] == '\\' {
			at++
		}
	}
	return at
}
