package vswitch

// Sizes in bytes.
const (
	// MaxHead is how much of a frame is copied and looked at. The longest headers
	// that matter are Ethernet, IPv4 with options and TCP with options: 134.
	MaxHead = 160
	// EthernetHeader is two addresses and a type, without tag.
	EthernetHeader = 14
	tagSize        = 4
	// MaxGSO is the largest frame of which segments are to be cut, without tag.
	MaxGSO = EthernetHeader + 65535
	// MinGSOSize is the smallest segment payload that is accepted: it bounds the
	// number of segments of one frame (Linux has the same bound, TCP_MIN_SND_MSS).
	MinGSOSize = 48
	// MaxPieces is the largest number of memory pieces of one frame.
	MaxPieces = 1040
)

// GSO is the kind of segmentation that a frame still needs.
type GSO uint8

// The kinds.
const (
	GSONone GSO = iota
	GSOTCP4
	GSOTCP6
)

// Offload is what the sender left for others to do. Offsets count bytes from the
// start of the frame as it is sent or delivered, its tag included.
type Offload struct {
	// Partial: the checksum at CSumStart+CSumOffset holds the pseudo header's sum;
	// the sum over everything from CSumStart on is to be stored there.
	Partial    bool
	CSumStart  uint16
	CSumOffset uint16
	// GSO is not GSONone if the frame is one big segment to be cut into pieces of
	// GSOSize payload bytes. It requires Partial. ECN says that CWR must be in the
	// first piece only.
	GSO     GSO
	ECN     bool
	GSOSize uint16
	// HdrLen is the length of all headers. The switch computes it; what a sender
	// says is not believed.
	HdrLen uint16
}

// Packet is what a sender hands over: pieces of its memory, which must stay valid
// and may change until Send returns.
type Packet struct {
	Data [][]byte
	Offload
}

// Frame is what a receiver gets. All of it is valid during Deliver only.
type Frame struct {
	Head []byte   // the first bytes, in host memory, checked
	Body [][]byte // the rest, in the sender's memory: it may change under the reader
	Size int      // bytes in Head and Body
	Offload
}

// Cursor reads a frame from its start.
type Cursor struct {
	head []byte
	body [][]byte
	off  int // in body[0]
}

// Cursor starts at the frame's first byte.
func (f *Frame) Cursor() Cursor { return Cursor{head: f.Head, body: f.Body} }

// Read copies the next bytes into p and returns how many: fewer than len(p) only
// at the frame's end.
func (c *Cursor) Read(p []byte) int {
	n := copy(p, c.head)
	c.head = c.head[n:]
	for n < len(p) && len(c.body) > 0 {
		k := copy(p[n:], c.body[0][c.off:])
		n += k
		c.off += k
		if c.off == len(c.body[0]) {
			c.body, c.off = c.body[1:], 0
		}
	}
	return n
}

// Piece gives the next bytes where they lie, at most limit of them; none at the
// frame's end.
func (c *Cursor) Piece(limit int) []byte {
	if len(c.head) > 0 {
		p := c.head[:min(limit, len(c.head))]
		c.head = c.head[len(p):]
		return p
	}
	for len(c.body) > 0 {
		p := c.body[0][c.off:]
		p = p[:min(limit, len(p))]
		c.off += len(p)
		if c.off == len(c.body[0]) {
			c.body, c.off = c.body[1:], 0
		}
		if len(p) > 0 {
			return p
		}
	}
	return nil
}
