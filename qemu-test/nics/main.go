package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"time"

	"basalt/drivers/nicprobe"
	"basalt/vmkernel/hw"
	"basalt/vmkernel/linux"
)

func main() {
	pings := flag.Int("pings", 1000, "round trips for each device")
	flag.Parse()
	m, err := hw.Discover(linux.Physical(), linux.ACPI(), linux.MADT())
	if err != nil {
		fmt.Println("nics: FAIL:", err)
		os.Exit(1)
	}
	for _, n := range m.Notes {
		fmt.Println("nics: note:", n)
	}
	for _, f := range m.Functions {
		fmt.Println("nics: pci", f)
	}
	nics := nicprobe.Open(m.Functions)
	failed := len(nics) == 0
	for _, n := range nics {
		fmt.Println("nics:", n)
		if n.Err != nil {
			failed = true
			continue
		}
		start := time.Now()
		if err := talk(n.Link, *pings); err != nil {
			fmt.Printf("nics: %s: FAIL: %v\n", n.Link.Name(), err)
			failed = true
		}
		fmt.Printf("nics: %s: %v, %+v\n", n.Link.Name(), time.Since(start).Round(time.Millisecond), n.Link.Stats())
		if err := n.Link.Close(); err != nil {
			fmt.Println("nics: FAIL: close:", err)
			failed = true
		}
	}
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	if failed {
		fmt.Println("nics: FAIL")
		os.Exit(1)
	}
	fmt.Printf("nics: PASS: %d devices, %d allocations in all\n", len(nics), s.Mallocs)
}
