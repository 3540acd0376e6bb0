package main

import (
	"testing"

	"basalt/vmkernel/vcpu/w1test"
)

// TestFatalWritesNoPointer: the report is made on a handler's goroutine, where a write
// barrier, which there is while the collector runs, would end in another fault.
func TestFatalWritesNoPointer(t *testing.T) { w1test.NoAlloc(t, fatal) }
