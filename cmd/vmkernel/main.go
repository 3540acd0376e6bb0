// Command vmkernel is the kernel: it wires the packages together and nothing else.
package main

import (
	"fmt"
	"runtime"
	"time"

	"basalt/vmkernel/linux"
)

func main() {
	hz, src := linux.TSCHz()
	fmt.Printf("basalt: hello from ring 0: %s, %d CPUs, TSC %d Hz by %s, %v\n", runtime.Version(), runtime.NumCPU(), hz, src, time.Now().UTC())
}
