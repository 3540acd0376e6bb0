package reg

// Access rights of a segment in the format of VMX (SDM Vol. 3C, 25.4.1), which
// the neutral vcpu.Segment uses too.
const (
	SegType     uint32 = 0xF
	SegS        uint32 = 1 << 4
	SegDPL      uint32 = 3 << 5
	SegP        uint32 = 1 << 7
	SegAVL      uint32 = 1 << 12
	SegL        uint32 = 1 << 13
	SegDB       uint32 = 1 << 14
	SegG        uint32 = 1 << 15
	SegUnusable uint32 = 1 << 16
)
