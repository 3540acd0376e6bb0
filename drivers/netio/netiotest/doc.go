// Package netiotest is the conformance suite of the netio seam, in the manner of
// testing/fstest: whoever implements netio.Link runs Test over it.
//
// World W2, tests only. Each case runs in its own testing/synctest bubble, so
// that time is virtual, waiting is exact, and a goroutine that outlives Close
// fails the test.
package netiotest
