// Package panicscreen shows the purple screen: what stopped the host, where,
// and in what state, on the screen and on the serial line.
//
// World W1, and the strictest kind: it runs when the Go runtime may be dead.
// It allocates nothing, stores no pointer, takes no lock, and uses only what
// Attach (W2) has put in place: a screen and a function that sends a byte. With
// neither it does nothing; with one of them it uses that.
//
// The first processor that calls Begin owns the screen for good; Begin tells
// all others to stop. The owner then calls Section, Frame, Value and Write in
// any order and number and finally End. What does not fit on the screen is only
// on the serial line.
//
// # How a caller uses it
//
//	if !panicscreen.Begin(&report) { for { HLT } }
//	panicscreen.Section("Kernel trace")
//	panicscreen.Frame(pc, symbol, offset)...
//	panicscreen.Section("Goroutines")
//	panicscreen.Write(what the runtime prints)...
//	panicscreen.End("The host is halted.")
//
// Not supported: paging through what did not fit.
package panicscreen
