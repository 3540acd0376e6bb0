// Package status is what the two sides of ktest agree on. World W2, constants only.
package status

// Crashed is the exit code of a machine whose kernel stopped itself.
const Crashed = 99
