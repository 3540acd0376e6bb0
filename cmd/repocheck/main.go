// Command repocheck has no work of its own: its tests hold the repository to its
// rules (import graph, where unsafe and assembly may be, package documentation).
// Run them with `go test ./cmd/repocheck`.
package main

import "fmt"

func main() { fmt.Println("run: go test ./cmd/repocheck") }
