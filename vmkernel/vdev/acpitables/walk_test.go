package acpitables

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"basalt/vmkernel/vdev/cpuhp"
	"basalt/vmkernel/vdev/pcie"
)

// walker takes AML apart as far as this package writes it, without iasl: every
// length must end where its parent's does, and every object be of a known kind.
type walker struct {
	t     *testing.T
	names map[string]aml // value of each Name, body of each Method, by full path
}

func (w *walker) length(b aml) (body, rest aml) {
	w.t.Helper()
	n, size := int(b[0]&0x3F), 1+int(b[0]>>6)
	if size > 1 {
		n = int(b[0] & 15)
		for i := 1; i < size; i++ {
			n |= int(b[i]) << (8*i - 4)
		}
	}
	if n < size || n > len(b) {
		w.t.Fatalf("package length %d of %d bytes", n, len(b))
	}
	return b[size:n], b[n:]
}

func (w *walker) name(b aml) (n string, rest aml) {
	if b[0] == prefixRoot {
		n, b = "\\", b[1:]
	}
	if b[0] == prefixDual {
		return n + string(b[1:5]) + "." + string(b[5:9]), b[9:]
	}
	return n + string(b[:4]), b[4:]
}

// value skips one data object.
func (w *walker) value(b aml) (rest aml) {
	w.t.Helper()
	switch b[0] {
	case opZero, opOne:
		return b[1:]
	case opByte:
		return b[2:]
	case opWord:
		return b[3:]
	case opDWord:
		return b[5:]
	case opQWord:
		return b[9:]
	case opString:
		return b[strings.IndexByte(string(b), 0)+1:]
	case opBuffer:
		body, rest := w.length(b[1:])
		in := w.value(body)
		if size := number(body); int(size) != len(in) {
			w.t.Fatalf("buffer of %d says %d", len(in), size)
		}
		return rest
	case opPackage:
		body, rest := w.length(b[1:])
		n := int(body[0])
		for body = body[1:]; n > 0; n-- {
			body = w.value(body)
		}
		if len(body) != 0 {
			w.t.Fatal("bytes after the last element")
		}
		return rest
	}
	w.t.Fatalf("unknown object %#x", b[0])
	return nil
}

func number(b aml) (v uint64) {
	size := map[byte]int{opByte: 1, opWord: 2, opDWord: 4, opQWord: 8}[b[0]]
	if size == 0 {
		return uint64(b[0])
	}
	for i := size; i > 0; i-- {
		v = v<<8 | uint64(b[i])
	}
	return v
}

func (w *walker) terms(at string, b aml) {
	w.t.Helper()
	for len(b) > 0 {
		var n string
		switch {
		case b[0] == opName:
			var v aml
			n, v = w.name(b[1:])
			b = w.value(v)
			w.names[at+n] = v[:len(v)-len(b)]
		case b[0] == opExt && b[1] == opRegion:
			n, v := w.name(b[2:])
			rest := w.value(w.value(v[1:]))
			w.names[at+n] = v[:len(v)-len(rest)]
			b = rest
		case b[0] == opExt && b[1] == opField:
			_, b = w.length(b[2:])
		case b[0] == opScope || b[0] == opExt && b[1] == opDevice || b[0] == opMethod:
			op, skip := b[0], 1
			if op == opExt {
				skip = 2
			}
			var body aml
			body, b = w.length(b[skip:])
			n, body = w.name(body)
			if op == opMethod {
				w.names[at+n] = body
			} else {
				w.terms(at+n+".", body)
			}
		default:
			w.t.Fatalf("%s: unknown term %#x", at, b[0])
		}
	}
}

func TestWalk(t *testing.T) {
	cfg := full(t)
	cfg.PCIe.Slots = pcie.MaxSlots
	w := walker{t, map[string]aml{}}
	w.terms("", dsdt(cfg))
	eq := func(what string, got, want any) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	pci := "\\_SB_.PCI0."
	eq("_HID", string(w.names[pci+"_HID"]), string(eisaID("PNP0A08")))
	eq("_OSC has 4 arguments", w.names[pci+"_OSC"][0], byte(4))
	eq("last port", number(w.names[pci+"RP77._ADR"]), uint64(30<<16|7))
	eq("node of a processor that can come", number(w.names["\\_SB_.C005._PXM"]), uint64(1))
	eq("S5 is still there", len(w.names["\\_S5_"]) > 0, true)
	eq("COM2 is still there", len(w.names["\\_SB_.COM2._CRS"]) > 0, true)
	if m := w.names["\\_GPE._E00"]; !strings.Contains(string(m), "\\\x2e_SB_VGEN") {
		t.Errorf("_E00: %x", m)
	}
	// Every pin of every device goes where the device model sends it.
	prt := w.names[pci+"_PRT"]
	body, _ := w.length(prt[1:])
	eq("entries", body[0], byte(4*(cfg.PCIe.Fixed+pcie.MaxSlots/8)))
	body = body[1:]
	for d := range uint8(32) {
		if !(d >= 1 && int(d) <= cfg.PCIe.Fixed || d >= 16 && d <= 30) {
			continue
		}
		for pin := range uint8(4) {
			var e aml
			e, body = w.length(body[1:])
			e = e[1:]
			addr := number(e)
			e = w.value(e)
			p := number(e)
			e = w.value(w.value(e))
			got := fmt.Sprint(addr, p, number(e))
			eq("route", got, fmt.Sprint(uint64(d)<<16|0xFFFF, pin, pcie.GSI(d, pin+1)))
		}
	}
}

// TestOptionalTables follows the XSDT.
func TestOptionalTables(t *testing.T) {
	cfg := full(t)
	cfg.PCIe.Slots = pcie.MaxSlots
	image, rsdp, err := Build(cfg, DefaultBase)
	if err != nil {
		t.Fatal(err)
	}
	most := cfg
	most.MaxCPUs = cpuhp.Max
	if big, _, err := Build(most, DefaultBase); err != nil || len(big) > 0x1_E000 {
		t.Errorf("%d bytes with all processors, %v", len(big), err)
	}
	if len(image) > 0x1_E000 {
		t.Errorf("%d bytes do not fit below the last two pages of the BIOS area", len(image))
	}
	x := table(t, image, DefaultBase, le.Uint64(image[rsdp-DefaultBase+24:]), "XSDT")
	signatures := []string{"FACP", "APIC", "MCFG", "SRAT", "SLIT", "HPET", "SPCR"}
	if len(x) != 36+8*len(signatures) {
		t.Fatalf("XSDT of %d bytes", len(x))
	}
	for i, s := range signatures {
		b := table(t, image, DefaultBase, le.Uint64(x[36+8*i:]), s)
		switch s {
		case "FACP":
			if le.Uint32(b[80:]) != 0x60C || b[92] != 4 || b[220] != 1 || le.Uint64(b[224:]) != 0x60C {
				t.Error("GPE0 block")
			}
		case "MCFG":
			if le.Uint64(b[44:]) != pcie.ECAMBase || b[55] != pcie.MaxSlots {
				t.Error("ECAM")
			}
		case "SRAT":
			count := map[byte]int{}
			for e := b[48:]; len(e) > 0; e = e[e[1]:] {
				count[e[0]]++
			}
			if count[sratLAPIC] != 6 || count[sratMemory] != 3 {
				t.Errorf("SRAT: %v", count)
			}
			hot := b[len(b)-40:]
			if hot[0] != sratMemory || hot[2] != 1 || le.Uint64(hot[8:]) != 5<<30 || le.Uint64(hot[16:]) != 3<<30 || le.Uint32(hot[28:]) != 3 {
				t.Errorf("SRAT: memory to come % x", hot)
			}
		case "SLIT":
			if le.Uint64(b[36:]) != 2 || string(b[44:]) != "\x0a\x14\x14\x0a" {
				t.Errorf("SLIT % x", b[36:])
			}
		case "HPET":
			if le.Uint64(b[44:]) != HPETBase {
				t.Error("HPET base")
			}
		}
	}
}

func TestOptionalRefusals(t *testing.T) {
	for name, hurt := range map[string]func(*Config){
		"slots":                func(c *Config) { c.PCIe.Slots = pcie.MaxSlots + 1 },
		"low window":           func(c *Config) { c.PCIe.Windows.Low[0].Size = 1 << 32 },
		"high window":          func(c *Config) { c.PCIe.Windows.High.Size = 1<<64 - 1 },
		"node's processor":     func(c *Config) { c.NUMA[0].CPUs[0] = 6 },
		"processor twice":      func(c *Config) { c.NUMA[0].CPUs[0] = 3 },
		"memory to come":       func(c *Config) { c.HotMemory.Size = 0 },
		"its end":              func(c *Config) { c.HotMemory.Base = 1<<64 - 1 },
		"its node":             func(c *Config) { c.HotMemory.Node = 2 },
		"memory without nodes": func(c *Config) { c.NUMA = nil },
		"node's memory":        func(c *Config) { c.NUMA[1].Memory[0].Size = 0 },
		"generation ID's page": func(c *Config) { c.GenerationID = 0xFF010 },
	} {
		cfg := full(t)
		hurt(&cfg)
		if _, _, err := Build(cfg, DefaultBase); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
