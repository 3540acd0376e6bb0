//go:build race

package gmem_test

// raceDetector: guest memory is read beside its writers, which is no data race of
// the guest's but one of Go's.
const raceDetector = true
