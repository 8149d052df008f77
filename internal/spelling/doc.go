// Package spelling measures how far a word is from the one that was probably
// meant, for errors that suggest it.
package spelling
