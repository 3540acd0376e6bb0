package imagedisk

// vector walks over the buffers of a request, or over one.
type vector struct {
	one  []byte
	rest [][]byte
}

// head is what is left of the buffer at hand.
func (v *vector) head() []byte {
	for len(v.one) == 0 {
		v.one, v.rest = v.rest[0], v.rest[1:]
	}
	return v.one
}

// put copies src into the buffers.
func (v *vector) put(src []byte) {
	for len(src) > 0 {
		n := copy(v.head(), src)
		src, v.one = src[n:], v.one[n:]
	}
}

// zero clears the next n bytes.
func (v *vector) zero(n int64) {
	for n > 0 {
		h := v.head()
		k := min(n, int64(len(h)))
		clear(h[:k])
		v.one, n = h[k:], n-k
	}
}

// get fills dst from the buffers.
func (v *vector) get(dst []byte) {
	for len(dst) > 0 {
		n := copy(dst, v.head())
		dst, v.one = dst[n:], v.one[n:]
	}
}
