package vsock

// ring is a buffer of Buffer bytes, which are made at the first use.
type ring struct {
	b       []byte
	at, len int // where the first byte is, and how many there are
}

func (r *ring) free() int { return Buffer - r.len }

// room is the next piece to fill, at most n bytes; grow says how much was filled.
func (r *ring) room(n int) []byte {
	if r.b == nil {
		r.b = make([]byte, Buffer)
	}
	from := (r.at + r.len) % Buffer
	return r.b[from:min(from+min(n, r.free()), Buffer)]
}

func (r *ring) grow(n int) { r.len += n }

// piece is the next piece to take, at most n bytes; shrink says how much was taken.
func (r *ring) piece(n int) []byte { return r.b[r.at:min(r.at+min(n, r.len), len(r.b))] }

func (r *ring) shrink(n int) {
	r.at = (r.at + n) % Buffer
	r.len -= n
}
