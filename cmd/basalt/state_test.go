package main

import (
	"encoding/json"
	"testing"

	"basalt/mgmt"
	"basalt/mgmt/mgmttest"
	"basalt/mgmt/wire"
	"basalt/vmkernel/host/fakehost"
)

func TestStateCommands(t *testing.T) {
	f := mgmttest.Start(t, fakehost.Options{MemoryTotal: 512 << 20}, mgmt.Config{})
	f.Put(t, "k", mgmttest.BzImage)
	c := newTool(t)
	c.env = []string{"BASALT_PASSWORD=" + mgmttest.Password}
	c.expect(exitOK, "", words("login "+f.Addr+" --trust"))
	c.expect(exitOK, "", words("file create --size 8 d.img"))
	c.expect(exitOK, "", words("vm create web --kernel k --memory 64 --disk image=d.img --nic nat,mac=52:54:00:00:00:01 --start"))

	c.expect(exitConflict, "", words("vm discard web"), "cannot discard the state of a virtual machine that is running")
	c.expect(exitConflict, "", words("vm suspend web --file k"), "already exists")
	c.expect(exitUsage, "", words("vm suspend web --file ../k"), "not a valid path")
	c.expect(exitNotFound, "", words("vm suspend nobody"), "not found")
	c.expect(exitOK, "", words("vm suspend web"), "suspended")
	c.expect(exitOK, "", words("vm ls"), "suspended")
	c.expect(exitOK, "", words("vm show web"), "web.state")
	c.expect(exitConflict, "", words("vm suspend web"), "suspended")
	c.expect(exitConflict, "", words("vm pause web"), "suspended")
	c.expect(exitConflict, "", words("vm rm web"), "suspended")
	c.expect(exitConflict, "", words("file rm d.img"), "web, which is suspended")
	c.expect(exitConflict, "", words("file cp k web.state --replace"), "web, which is suspended")
	c.expect(exitOK, "", words("file cp web.state copy.state"), "copy.state")
	c.expect(exitOK, "", words("vm state info copy.state --check"), "whole")
	c.expect(exitOK, "", words("file rm copy.state"))
	c.expect(exitOK, "", words("vm state info web.state --check"), "amd-v", "version 2", "64 MiB", "52:54:00:00:00:01", "whole")
	var s wire.SavedState
	if r := c.run("", words("vm state info web.state --json")...); json.Unmarshal([]byte(r.out), &s) != nil || s.Saved == nil || s.Boot.Kernel != "k" || s.Checked {
		t.Errorf("state info --json: %s", r.out)
	}
	c.expect(exitUsage, "", words("vm state info k"), "not a saved machine")
	c.expect(exitNotFound, "", words("vm state info nothing"), "not found")
	c.expect(exitConflict, "", words("vm restore web.state"), "already exists")
	c.expect(exitConflict, "", words("vm restore web.state b"), "d.img", "in use")
	c.expect(exitUsage, "", words("vm restore web.state b --disk d"), "NAME=PATH")
	c.expect(exitUsage, "", words("vm restore web.state b --disk x=d.img"), "no disk")
	c.expect(exitUsage, "", words("vm restore web.state b --nics some"), "nics")
	c.expect(exitOK, "", words("file create --size 8 e.img"))
	c.expect(exitConflict, "", words("vm restore web.state b --disk disk0=e.img"), "52:54:00:00:00:01", "new adapters")
	c.expect(exitOK, "", words("vm restore web.state b --disk disk0=e.img --no-nics --paused"), "paused")
	c.expect(exitOK, "", words("vm show b"), "e.img", "!52:54:00:00:00:01")
	c.expect(exitOK, "", words("vm resume web"), "running")
	c.expect(exitNotFound, "", words("vm state info web.state"), "not found")

	c.expect(exitUsage, "", words("vm clone web"), "accepts 2 arg")
	c.expect(exitConflict, "", words("vm clone web b"), "already exists")
	c.expect(exitUsage, "", words("vm clone web c --nics keep"), "nics")
	c.expect(exitOK, "", words("vm clone web c"), "running")
	c.expect(exitOK, "", words("vm show c"), "c.disk0.img", "!52:54:00:00:00:01")
	c.expect(exitOK, "", words("vm suspend c"))
	c.expect(exitOK, "", words("vm rm --force c"))
	c.expect(exitOK, "", []string{"__complete", "vm", "clone", ""}, "web")
	c.expect(exitOK, "", []string{"__complete", "vm", "restore", ""}, "e.img")
	c.expect(exitOK, "", []string{"__complete", "vm", "suspend", ""}, "web")
}
