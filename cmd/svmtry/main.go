// Command svmtry runs a hand-written guest on the AMD-V engine alone.
package main

import (
	"fmt"
	"os"
	"runtime"

	"basalt/qemu-test/guests"
	"basalt/vmkernel/pmem"
	"basalt/vmkernel/vcpu"
	"basalt/vmkernel/vcpu/hostcpu/ring0"
	"basalt/vmkernel/vcpu/svmcpu"
)

type fast struct{ e vcpu.Engine }

func (f *fast) FastExit(x *vcpu.Exit) vcpu.Verdict {
	if x.Kind == vcpu.KindInterrupt {
		return vcpu.Resume
	}
	return vcpu.Return
}
func (f *fast) PendingInterrupt() (uint8, bool) { return 0, false }
func (f *fast) AckInterrupt(uint8)              {}
func (f *fast) Deadline() uint64                { return 0 }

func main() {
	runtime.LockOSThread()
	h := ring0.Host()
	c, err := svmcpu.Probe(h)
	if err != nil {
		fmt.Println("no engine:", err)
		os.Exit(1)
	}
	fmt.Printf("caps %+v xcr0 %#x size %d\n", c.Caps, c.XCR0, c.XSAVESize)
	f, err := svmcpu.NewFactory(c)
	check(err)
	t, err := f.NewTable()
	check(err)
	const mem = 16 << 20
	pa, ok := pmem.Alloc(mem>>12, 2<<20, 0)
	fmt.Printf("memory %#x %v\n", pa, ok)
	check(t.Map(0, pa, mem, 7))
	img := guests.Build("exits")
	copy(pmem.Bytes(pa+guests.Load, len(img)), img[0x1000:])
	fa := &fast{}
	e, err := f.NewEngine(0, t, fa)
	check(err)
	fa.e = e
	var s vcpu.System
	e.LoadSystem(&s)
	seg := vcpu.Segment{Limit: 0xFFFFFFFF, Attr: 0xC093, Selector: 16}
	s.CR0 = 0x11
	s.CS, s.SS, s.DS, s.ES, s.FS, s.GS = seg, seg, seg, seg, seg, seg
	s.CS.Attr, s.CS.Selector = 0xC09B, 8
	s.TR = vcpu.Segment{Attr: 0x8B, Limit: 0xFFFF}
	s.LDTR = vcpu.Segment{Attr: 0x82, Limit: 0xFFFF}
	s.PAT = 0x0007040600070406
	s.XCR0 = 1
	check(e.StoreSystem(&s))
	r := e.Regs()
	r.RIP, r.RFLAGS = guests.Load+16, 2
	x := new(vcpu.Exit)
	for n := 0; n < 3000; n++ {
		check(e.Run(x))
		switch x.Kind {
		case vcpu.KindPIO:
			if x.PIO.In {
				r.GPR[0] = 0xFFFFFFFF
			} else if x.PIO.Port == 0x3F8 {
				fmt.Printf("%c", byte(r.GPR[0]))
			}
		case vcpu.KindCPUID:
			fmt.Println("CPUID exit, leaf", r.GPR[0])
			r.GPR[0], r.GPR[3], r.GPR[1], r.GPR[2] = 1, 0x41424344, 0x45464748, 0x494a4b4c
			x.InstLen = 2
		case vcpu.KindHLT:
			fmt.Println("HLT: done after", n, "exits")
			os.Exit(0)
		default:
			fmt.Printf("exit %d at %#x code %#x info %#x %#x event %+v\n", x.Kind, x.RIP, x.Raw.Code, x.Raw.Info1, x.Raw.Info2, x.Event)
			if x.InstLen == 0 {
				x.InstLen = 2
			}
			if x.Kind == vcpu.KindMemory || x.Kind == vcpu.KindTripleFault || x.Kind == vcpu.KindEntryFailed {
				os.Exit(1)
			}
		}
		r.RIP += uint64(x.InstLen)
	}
}

func check(err error) {
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
}
