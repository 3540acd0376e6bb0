package asm

import (
	"fmt"
	"strings"

	"golang.org/x/arch/x86/x86asm"
)

// Listing gives the linked program as text: address, bytes, what a decoder
// reads in them, comment. An instruction that does not decode to exactly its
// own bytes is an error: the assembler or a Raw call is wrong.
func (c *Code) Listing() (string, error) {
	linked, err := c.Link()
	if err != nil {
		return "", err
	}
	var s strings.Builder
	for _, l := range c.lines {
		if l.Label != "" {
			fmt.Fprintf(&s, "%s:\n", l.Label)
			continue
		}
		b := linked[l.Off : l.Off+l.Len]
		addr := c.base + uint64(l.Off)
		if l.Mode == 0 {
			fmt.Fprintf(&s, "%8x  %-34s ; %s\n", addr, data(b), l.Comment)
			continue
		}
		text, n := decode(b, l.Mode, addr)
		if n != len(b) {
			return "", fmt.Errorf("asm: at %#x: % x is %q and %d bytes long in mode %d (%s)", addr, b, text, n, l.Mode, l.Comment)
		}
		line := fmt.Sprintf("%8x  %-34x %s", addr, b, text)
		if l.Comment != "" {
			line = fmt.Sprintf("%-80s ; %s", line, l.Comment)
		}
		s.WriteString(line + "\n")
	}
	return s.String(), nil
}

func data(b []byte) string {
	if len(b) > 16 {
		return fmt.Sprintf("%x... (%d bytes)", b[:8], len(b))
	}
	return fmt.Sprintf("%x", b)
}

// decode reads one instruction and gives its text and length.
func decode(b []byte, mode int, addr uint64) (string, int) {
	inst, err := x86asm.Decode(b, mode)
	if err != nil {
		return err.Error(), 0
	}
	return x86asm.IntelSyntax(inst, addr, nil), inst.Len
}
