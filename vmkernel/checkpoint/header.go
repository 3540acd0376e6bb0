package checkpoint

// Range is [Start, Start+Size) of guest-physical memory, in bytes.
type Range struct{ Start, Size uint64 }

// End is the first address after the range.
func (r Range) End() uint64 { return r.Start + r.Size }

// FrameSize is what a memory record covers, PageSize one bit of its bitmap, in bytes.
const (
	FrameSize = 2 << 20
	PageSize  = 4 << 10
)

// Header is the first record: what a host has to know before it takes anything.
type Header struct {
	Engine      string // of the host's Factory: "vt-x", "amd-v"
	Level       string // CPU level of the machine; may be empty
	Fingerprint []byte // what CPUID shows to the guest (vcpu.CPUID.Fingerprint)
	TSCKHz      uint64 // of the guest's counter
	CPUs        uint32
	Memory      []Range // whole frames, ascending
	Generation  [16]byte
	Config      []byte // creation parameters, opaque here
}

const (
	headerVersion  = 1
	maxFingerprint = 16 << 10
	maxConfig      = 64 << 10
	maxRanges      = 64
	maxWord        = 64
)

// MemorySize is the sum of the ranges in bytes.
func (h *Header) MemorySize() (n uint64) {
	for _, r := range h.Memory {
		n += r.Size
	}
	return n
}

// holds says whether a whole frame lies in the memory.
func (h *Header) holds(gpa uint64) bool {
	for _, r := range h.Memory {
		if gpa >= r.Start && gpa-r.Start < r.Size {
			return true
		}
	}
	return false
}

func (h *Header) encode() []byte {
	e := NewEncoder(headerVersion)
	e.Var([]byte(h.Engine))
	e.Var([]byte(h.Level))
	e.Var(h.Fingerprint)
	e.U64(h.TSCKHz)
	e.U32(h.CPUs)
	e.U32(uint32(len(h.Memory)))
	for _, r := range h.Memory {
		e.U64(r.Start)
		e.U64(r.Size)
	}
	e.Fixed(h.Generation[:])
	e.Var(h.Config)
	return e.Bytes()
}

func (h *Header) decode(b []byte) error {
	d := NewDecoder(b, headerVersion)
	h.Engine = word(d, "engine")
	h.Level = word(d, "level")
	h.Fingerprint = d.Var(maxFingerprint)
	h.TSCKHz = d.U64()
	h.CPUs = d.U32()
	n := d.U32()
	d.Check(n <= maxRanges, "number of memory ranges")
	last, sum := uint64(0), uint64(0)
	for range min(n, maxRanges) {
		r := Range{d.U64(), d.U64()}
		d.Check(r.Start%FrameSize == 0 && r.Size%FrameSize == 0 && r.Size != 0 &&
			r.End() > r.Start && r.Start >= last && sum+r.Size > sum, "memory range")
		last, sum = r.End(), sum+r.Size
		h.Memory = append(h.Memory, r)
	}
	d.Fixed(h.Generation[:])
	h.Config = d.Var(maxConfig)
	return d.Done("header")
}

// word reads a short text of printable ASCII.
func word(d *Decoder, field string) string {
	b := d.Var(maxWord)
	for _, c := range b {
		if c < ' ' || c > '~' {
			d.Fail(field)
			return ""
		}
	}
	return string(b)
}
