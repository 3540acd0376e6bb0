package vmx

// Entry is one entry of an EPT paging structure (SDM Vol. 3C, 29.3.2, tables
// 29-1 to 29-7).
type Entry uint64

// The bits of an entry.
const (
	EPTRead     Entry = 1 << 0
	EPTWrite    Entry = 1 << 1
	EPTExecute  Entry = 1 << 2
	EPTRights         = EPTRead | EPTWrite | EPTExecute
	eptTypeMask Entry = 7 << 3
	// EPTWriteBack is memory type 6 in bits 5:3. PAT of the guest still
	// applies: "ignore PAT" (bit 6) stays 0, so a guest may have uncached
	// mappings where it asks for them.
	EPTWriteBack Entry = 6 << 3
	// EPTUncached is memory type 0: pages that a real device answers.
	EPTUncached  Entry = 0
	EPTIgnorePAT Entry = 1 << 6
	EPTLeaf      Entry = 1 << 7 // 1 GiB or 2 MiB page
	EPTAccessed  Entry = 1 << 8
	EPTDirty     Entry = 1 << 9
	eptAddrMask  Entry = 0x000f_ffff_ffff_f000
)

// Present reports whether the entry maps or refers to anything.
func (e Entry) Present() bool { return e&EPTRights != 0 }

// Leaf reports whether an entry of this level (1 is the last) maps a page.
func (e Entry) Leaf(level int) bool { return level == 1 || e&EPTLeaf != 0 }

// Addr is the physical address in the entry.
func (e Entry) Addr() uint64 { return uint64(e & eptAddrMask) }

// Misconfigured says why the processor would refuse the entry at this level, or
// "" (SDM Vol. 3C, 29.3.3.1, "EPT Misconfigurations").
func (e Entry) Misconfigured(level int, c *Caps) string {
	if !e.Present() {
		return ""
	}
	switch {
	case e&EPTRead == 0 && e&EPTWrite != 0:
		return "writable but not readable"
	case e&EPTRead == 0 && !c.EPTExecuteOnly:
		return "execute-only is not supported"
	}
	if !e.Leaf(level) {
		if e&0xf8 != 0 {
			return "reserved bits 7:3 set in a table reference"
		}
		return ""
	}
	switch e & eptTypeMask >> 3 {
	case 2, 3, 7:
		return "reserved memory type"
	}
	if level == 3 && !c.EPT1G || level > 3 {
		return "page too large for this processor"
	}
	if level > 1 && uint64(e&eptAddrMask)&(levelSize(level)-1) != 0 {
		return "reserved address bits set in a large page"
	}
	return ""
}

// levelSize is what one entry of a level covers: 4 KiB, 2 MiB, 1 GiB, 512 GiB.
func levelSize(level int) uint64 { return 1 << (12 + 9*(level-1)) }

// EPTP is the EPT pointer for the table at root: write-back, 4 levels, and
// accessed and dirty flags where the processor has them (SDM Vol. 3C, 25.6.11).
func (c *Caps) EPTP(root uint64) uint64 {
	p := root | 3<<3 | 6
	if c.EPTAccessedDirty {
		p |= 1 << 6
	}
	return p
}
