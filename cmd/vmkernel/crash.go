package main

import (
	"os"
	"strings"

	"basalt/vmkernel/linux"
)

// crashOnRequest lets the tests see the purple screen: "-- crash=KIND" on the
// command line ends the host in one of the ways in which a host can end. Whoever
// may write the command line owns the machine anyway.
func crashOnRequest() {
	for _, a := range os.Args[1:] {
		kind, ok := strings.CutPrefix(a, "crash=")
		if !ok {
			continue
		}
		switch kind {
		case "panic": // a Go panic that nobody recovers
			panic("the command line asked for it")
		case "fatal": // a fatal error of the runtime
			var m = map[int]int{}
			for range 4 {
				go func() {
					for i := 0; ; i++ {
						m[i&7] = i
					}
				}()
			}
			select {}
		case "fault": // an exception inside the kernel's own handlers
			linux.CrashForTest(linux.CrashFault)
		case "overflow": // a stack of the kernel that grows past its end
			linux.CrashForTest(linux.CrashOverflow)
		case "recursion": // the same in Go, which looks at the bound
			linux.CrashForTest(linux.CrashRecursion)
		case "guest": // an exception with a guest's extended state in the processor
			linux.CrashForTest(linux.CrashGuest)
		}
	}
}
