// Meridian runs one application in several regions at once, all of them
// serving, and keeps it that way when a region is lost.
//
// main.go reads the arguments, handles signals, prints the error and sets the
// exit code; each command has a file of its own, named for it. A command gets
// what it needs from app, so that it can be tested without a process, and
// returns an error: *usageError for a wrong command line, anything else for
// work that failed. exit.go maps errors to exit codes, in one place.
package main
