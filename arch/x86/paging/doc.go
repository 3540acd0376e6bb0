// Package paging builds and changes the host's 4-level page tables (SDM Vol. 3A,
// chapter 4, edition 086; APM Vol. 2, chapter 5).
//
// The walker gets its table frames from an Allocator and reaches them through a
// translator, so that it runs under plain go test as well as before the Go
// runtime has started. World W1: no allocation, no maps, no panics on a missing
// frame (Map says false instead). The caller serialises changes to one Tables and
// flushes the translations of other processors.
//
// Not supported: 5-level paging, protection keys, global pages.
package paging
