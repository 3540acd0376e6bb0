// Command fuzz runs every fuzz target of the module, one after the other. World: the
// developer's computer. `make fuzz` calls it.
//
//	find.go  the targets, found in the source
//	run.go   one target: `go test -fuzz`, its limits and what it found
//	main.go  flags, the total, the table of what was found
//
// The test `go test ./cmd/repocheck` says which packages have to have a target.
//
// # Decisions
//
//   - The targets are found by parsing the test files, so that a new one needs no list.
//   - -time is for each target, because the go command fuzzes one at a time; -share is
//     for all of them together.
//   - Two workers, GOMEMLIMIT for each, five attempts to make an input smaller: what is
//     found is to be found again at once, not to be beautiful.
//   - An input that fails is left where the go command puts it, in testdata/fuzz of the
//     package: from then on it is a seed of `go test`, and belongs into the commit that
//     mends the defect.
package main
