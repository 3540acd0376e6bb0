package main

import (
	"errors"
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
	size := flag.Int("size", 56, "bytes of payload of each ping")
	window := flag.Int("window", 1, "pings under way at a time")
	serial := flag.Bool("serial", false, "test COM2 in loopback")
	remove := flag.Bool("remove", false, "eject the devices (QEMU pc) and look what the links say")
	flag.Parse()
	fmt.Printf("nics: %s on %d CPUs\n", runtime.Version(), runtime.NumCPU())
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
		if err := talk(n.Link, *pings, *size, *window); err != nil {
			fmt.Printf("nics: %s: FAIL: %v\n", n.Link.Name(), err)
			failed = true
		}
		fmt.Printf("nics: %s: %v, %+v\n", n.Link.Name(), time.Since(start).Round(time.Millisecond), n.Link.Stats())
		if *remove {
			if err := eject(n); err != nil {
				fmt.Printf("nics: %s: FAIL: removal: %v\n", n.Link.Name(), err)
				failed = true
			}
		}
		if err := n.Link.Close(); err != nil {
			fmt.Println("nics: FAIL: close:", err)
			failed = true
		}
	}
	if !*remove {
		// A link that was closed can be opened again.
		for _, n := range nicprobe.Open(m.Functions) {
			if n.Err == nil {
				n.Err = errors.Join(talk(n.Link, 10, *size, 1), n.Link.Close())
			}
			if n.Err != nil {
				fmt.Println("nics: FAIL: opened again:", n)
				failed = true
			}
		}
	}
	if *serial {
		if err := loopback(m); err != nil {
			fmt.Println("nics: FAIL: COM2:", err)
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
