package host

import "testing"

func TestUUID(t *testing.T) {
	const text = "00112233-4455-6677-8899-aabbccddeeff"
	u, err := ParseUUID(text)
	if err != nil || FormatUUID(u) != text || u[1] != 0x11 {
		t.Errorf("%x %v", u, err)
	}
	for _, bad := range []string{"", "00112233445566778899aabbccddeeff", "00112233-4455-6677-8899-aabbccddeefg", text + "0",
		"00000000-0000-0000-0000-000000000000", "FFFFFFFF-ffff-ffff-ffff-ffffffffffff", "0011223-34455-6677-8899-aabbccddeeff"} {
		if _, err := ParseUUID(bad); err == nil {
			t.Errorf("%q", bad)
		}
	}
	a, b := Config{ID: "vm-1"}, Config{ID: "vm-2"}
	if first := a.SystemUUID(); first != a.SystemUUID() || first == b.SystemUUID() {
		t.Error("an ID has one UUID and no other has it")
	}
	if s := FormatUUID(a.SystemUUID()); s[14] != '8' {
		t.Errorf("version of %s", s)
	}
	b.UUID = FormatUUID(a.SystemUUID())
	if a.SystemUUID() != b.SystemUUID() {
		t.Error("a UUID that was given")
	}
	b.UUID = "x"
	if err := b.CheckDevices(); err == nil {
		t.Error("a bad UUID was taken")
	}
}
