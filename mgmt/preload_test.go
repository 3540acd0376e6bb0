package mgmt_test

import (
	"errors"
	"testing"

	"basalt/mgmt"
	"basalt/mgmt/files"
	"basalt/mgmt/mgmttest"
	"basalt/vmkernel/host"
	"basalt/vmkernel/host/fakehost"
)

// What a boot loader brought is in the store when the first client looks, and what
// the store refuses is told to whoever brought it.
func TestPreload(t *testing.T) {
	var twice, bad error
	f := mgmttest.Start(t, fakehost.Options{}, mgmt.Config{Preload: func(put func(string, []byte) error) {
		if err := put("boot/vmlinuz", []byte("kernel")); err != nil {
			t.Error(err)
		}
		twice = put("boot/vmlinuz", []byte("other"))
		bad = put("../etc", nil)
	}})
	if !errors.Is(twice, host.ErrExists) || !errors.Is(bad, files.ErrPath) {
		t.Errorf("%v; %v", twice, bad)
	}
	list, err := f.Client.Files(t.Context(), "")
	if err != nil || len(list.Files) != 1 || list.Files[0].Path != "boot/vmlinuz" || list.Files[0].Bytes != 6 {
		t.Errorf("%+v, %v", list, err)
	}
}
