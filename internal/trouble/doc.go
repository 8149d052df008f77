// Package trouble says when to tell of something that goes wrong again and again:
// when it begins, once a minute while it lasts, and when it is over.
package trouble
