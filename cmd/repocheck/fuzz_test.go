package main

import (
	"go/ast"
	"strings"
	"testing"
)

// fuzzed are the folders whose packages take what guests, networks, API callers, other
// hosts or firmware send, each with all below it: every package of them has a fuzz
// target (`make fuzz`).
const fuzzed = `
boot/config boot/cpio boot/info
cmd/basalt
drivers/acpi drivers/blockio drivers/e1000 drivers/pci drivers/virtio
mgmt/api mgmt/auth mgmt/client mgmt/files
vmkernel/checkpoint vmkernel/gmem vmkernel/host vmkernel/netstack vmkernel/vbus vmkernel/vcpu vmkernel/vdev
vmkernel/vfs vmkernel/vm vmkernel/vswitch
`

// notFuzzed are the exceptions, each with its reason.
const notFuzzed = `
drivers/blockio/blockiotest: the conformance suite; its Fuzz is what the disks' targets call
drivers/e1000/e1000test: the device for the driver's tests
drivers/virtio/net: what the device says is parsed by drivers/virtio, what it receives is a frame
drivers/virtio/virtiotest: the device for the driver's tests
vmkernel/gmem/gmemtest: memory for tests
vmkernel/host/fakehost: a host for tests
vmkernel/host/hosttest: the conformance suite
vmkernel/host/local: only hands on; vmkernel/host has the checks
vmkernel/vcpu/fakecpu: an engine for tests
vmkernel/vcpu/hostcpu: drives the processor; what a guest does comes as vcpu.Exit
vmkernel/vcpu/hostcpu/ring0: its test in ring 0
vmkernel/vcpu/svmcpu: needs the processor; the hostile guest runs on it
vmkernel/vcpu/vmxcpu: needs the processor; the hostile guest runs on it
vmkernel/vcpu/w1test: reads our own object code
vmkernel/vdev/acpitables: writes tables from our own configuration
vmkernel/vdev/virtio/virtiotest: the driver for the devices' tests
vmkernel/vdev/virtio/vring/vringtest: a ring for tests
vmkernel/vfs/atinit: has no input
vmkernel/vm/ring0: its test in ring 0
`

// TestInputIsFuzzed holds every package that takes input from outside to a fuzz target,
// and the list of exceptions to what there is.
func TestInputIsFuzzed(t *testing.T) {
	except := table(notFuzzed)
	packages, targets := map[string]bool{}, map[string]bool{}
	for _, s := range sources(t) {
		if !strings.HasSuffix(s.path, "_test.go") {
			packages[s.dir] = packages[s.dir] || hasCode(s.file)
			continue
		}
		for _, d := range s.file.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && strings.HasPrefix(fn.Name.Name, "Fuzz") && fn.Type.Params.NumFields() == 1 {
				targets[s.dir] = true
			}
		}
	}
	for _, f := range strings.Fields(fuzzed) {
		found := false
		for dir, code := range packages {
			if !code || !within(dir, f) {
				continue
			}
			found = true
			_, excused := except[dir]
			switch {
			case excused && targets[dir]:
				t.Errorf("%s is an exception and has a fuzz target", dir)
			case !excused && !targets[dir]:
				t.Errorf("%s has no fuzz target (FuzzXxx); write one, or say in notFuzzed why it needs none", dir)
			}
		}
		if !found {
			t.Errorf("fuzzed names %s, where no package is", f)
		}
	}
	for dir, reason := range except {
		if !packages[dir] || len(reason) == 0 {
			t.Errorf("notFuzzed names %s, which is no package, or gives no reason", dir)
		}
	}
}

// hasCode says whether a file has a function: constants alone take no input.
func hasCode(f *ast.File) bool {
	for _, d := range f.Decls {
		if _, ok := d.(*ast.FuncDecl); ok {
			return true
		}
	}
	return false
}
