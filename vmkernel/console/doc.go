// Package console is the page that a person in front of the host sees: name
// and version, hardware, address, state, certificate fingerprint, and the last
// lines of the log. World W2.
//
// The page is drawn into a grid of cells first and only what changed goes to
// the screen, because video memory is slow. The same page fits 80 by 25 text
// and large framebuffers; what does not fit is cut, the more important rows
// stand first. When the purple screen has taken the screen, nothing is drawn
// any more.
//
// Locking: one mutex per Console, held while drawing; nothing else is locked
// inside it.
//
// Not supported: keyboard input.
package console
