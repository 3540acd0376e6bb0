// Package checkpoint is the codec for saved state. World W2.
//
// A section is one device's state: a version, then fields of fixed width in
// little-endian order, in the order in which the device's state.go writes them.
// A device keeps reading the versions that it once wrote. What is read comes
// from outside (a file, another host) and is hostile: every length is bounded,
// a short or long section is an error, and the device validates each field.
//
// Not here yet: the container of many sections, checksums, compression.
package checkpoint
