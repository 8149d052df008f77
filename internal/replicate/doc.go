// Package replicate decides how regions ship their changes to each other: the
// messages and their encoding, and the state machines of both ends. It is pure:
// no goroutine, no clock, no socket, no disk. What happened goes in, with the
// time; what to do comes out. Package replica does it.
//
// Each region pulls from each other region. The puller, a Receiver, says in its
// Hello how far it has applied the other's log; the Source answers Welcome, or
// Refuse with a reason, and then sends Frames of current records in log order,
// as many as a window of bytes allows, and a Frame without records when there
// is nothing to ship, so that the receiver knows how far the source's time has
// come. The receiver answers each applied Frame with an Ack.
//
// A receiver whose cursor the source cannot follow (a restored disk, a trimmed
// log) asks for a resend: every current record of the tables both hold, with
// the cursor that was fixed before the scan at its end.
//
// DESIGN.md has the choices. The numbered rules are cited as "DATA n".
package replicate
