package uefi

import (
	"fmt"

	"basalt/boot/asm"
)

// variables are the data page.
func variables(c *asm.Code) {
	gu := func(name string, b []byte) {
		c.Label(name)
		c.Data("", b[:8]...)
		c.Label(name + "+8")
		c.Data("", b[8:]...)
	}
	gu("guidLoadedImage", guid(0x5b1b31a1, 0x9562, 0x11d2, [8]byte{0x8e, 0x3f, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b}))
	gu("guidFileSystem", guid(0x964e5b22, 0x6459, 0x11d2, [8]byte{0x8e, 0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b}))
	gu("guidGOP", guid(0x9042a9de, 0x23dc, 0x4a38, [8]byte{0x96, 0xfb, 0x7a, 0xde, 0xd0, 0x80, 0x51, 0x6a}))
	gu("guidACPI20", guid(0x8868e871, 0xe4f1, 0x11d3, [8]byte{0xbc, 0x22, 0x00, 0x80, 0xc7, 0x3c, 0x88, 0x81}))
	gu("guidACPI10", guid(0xeb9d2d30, 0x2d88, 0x11d3, [8]byte{0x9a, 0x16, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d}))
	for _, v := range []struct {
		name  string
		value uint64
	}{
		{"image", 0}, {"systable", 0}, {"loaded", 0}, {"volume", 0}, {"root", 0}, {"file", 0}, {"handleCount", 0}, {"handles", 0},
		{"kernelSize", 0}, {"low", 0xffffffff}, {"configSize", configLimit}, {"gop", 0},
		{"mapSize", 0}, {"mapKey", 0}, {"descSize", 0}, {"descVersion", 0},
	} {
		c.Label(v.name)
		c.Data64("", v.value)
	}
	text := func(label, s string) { c.Align(2); c.Label(label); c.Data(fmt.Sprintf("%q", s), ucs2(s)...) }
	text("kernelName", `\basalt.elf`)
	text("configName", `\basalt.conf`)
	text("prefix", "basalt: ")
	text("newline", "\r\n")
	text("hello", "loading")
	text("leaving", "entering the kernel")
	text("fivelevels", "the firmware has five-level page tables; the kernel switches them off")
	for _, f := range failTexts {
		text("text: "+f, f)
	}
}
