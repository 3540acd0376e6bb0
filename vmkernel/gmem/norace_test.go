//go:build !race

package gmem_test

const raceDetector = false
