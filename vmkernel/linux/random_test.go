package linux

import "testing"

// TestChaChaQuarter is the test vector of RFC 8439, 2.1.1.
func TestChaChaQuarter(t *testing.T) {
	v := [16]uint32{0x11111111, 0x01020304, 0x9b8d6f43, 0x01234567}
	quarter(&v, 0, 1, 2, 3)
	want := [4]uint32{0xea2a92f4, 0xcb1cf8ce, 0x4581472e, 0x5881c4bb}
	if got := [4]uint32(v[:4]); got != want {
		t.Fatalf("%08x, want %08x", got, want)
	}
}

// TestChaChaStructure looks at what re-keying leaves to look at: the key changes
// with each block and no output repeats.
func TestChaChaStructure(t *testing.T) {
	old := rng
	defer func() { rng = old }()
	rng.hw = false
	rng.key = [8]uint32{1, 2, 3}
	seen := map[[32]byte]bool{}
	for range 1000 {
		before := rng.key
		var out [32]byte
		fillRandom(out[:])
		if rng.key == before {
			t.Fatal("the key stayed")
		}
		if seen[out] {
			t.Fatal("output repeats")
		}
		seen[out] = true
	}
	var odd [77]byte
	fillRandom(odd[:])
	if [8]byte(odd[69:]) == [8]byte{} {
		t.Fatal("the end was not filled")
	}
}
