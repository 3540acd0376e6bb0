// Package blockiotest is the conformance suite of the blockio seam, in the manner
// of testing/fstest: whoever implements blockio.Disk runs Run over it, and Fuzz
// with streams of operations against a model; FuzzPower does so for durability
// where power can be cut. Run these with -fuzzminimizetime 5x: their inputs are
// long, and shortening them otherwise takes all the time.
//
// World W2, tests only. Each case of Run has its own testing/synctest bubble, so
// that time is virtual, waiting is exact, and a goroutine that outlives Close
// fails the test.
package blockiotest
