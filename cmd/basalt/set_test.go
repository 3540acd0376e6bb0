package main

import (
	"strings"
	"testing"

	"basalt/mgmt"
	"basalt/mgmt/mgmttest"
	"basalt/vmkernel/host/fakehost"
)

// TestSetCommands: CPUs that come while a machine runs, its balloon, its identity and its
// other serial ports.
func TestSetCommands(t *testing.T) {
	f := mgmttest.Start(t, fakehost.Options{MemoryTotal: 512 << 20, MaxVCPUs: 4}, mgmt.Config{})
	f.Put(t, "k", mgmttest.BzImage)
	c := newTool(t)
	c.env = []string{"BASALT_PASSWORD=" + mgmttest.Password}
	c.expect(exitOK, "", words("login "+f.Addr+" --trust"))
	create := func(more string) []string {
		return append(words("vm create web --kernel k --memory 64"), words(more)...)
	}
	c.expect(exitUsage, "", create("--max-cpus 5"), "maxCPUs", "1 to 4")
	c.expect(exitUsage, "", create("--cpus 3 --max-cpus 2"), "maxCPUs")
	c.expect(exitUsage, "", create("--uuid 6ba7b810"), "uuid", "32 hexadecimal digits")
	c.expect(exitUsage, "", create("--max-memory 63"), "maxMemoryMiB", "at least the 64")
	c.expect(exitUsage, "", create("--max-memory lots"), "not a number")
	c.expect(exitUsage, "", create("--numa-nodes 2"), "numaNodes", "1 to 1 are possible for 1 CPUs")
	c.expect(exitUsage, "", create("--hardware 99"), "hardware", "this host knows 1 to")
	c.expect(exitUsage, "", create("--apic-id-step 3"), "apicIDStep", "a power of two is needed")
	c.expect(exitUsage, "", create("--cpus 2 --max-cpus 4 --apic-id-step 16384"), "the last of 4 CPUs would have an APIC ID over 32767")
	c.expect(exitUsage, "", create("--apic-id-step 32768"), "apicIDStep", "16384")
	const uuid = "6ba7b810-9dad-41d1-80b4-00c04fd430c8"
	c.expect(exitUsage, "", create("--console-port a --console-port a"), "consoles[1].name", "already exists")
	c.expect(exitUsage, "", create("--console-port 2"), "consoles[0].name", "'2' is not allowed")
	c.expect(exitUsage, "", create("--console-port a/b"), "'/' is not allowed")
	c.expect(exitUsage, "", create("--console-port a,tty"), "such as agent")
	c.expect(exitUsage, "", create(strings.Repeat(" --console-port null", 17)), "17 console ports", "16")
	c.expect(exitOK, "", create("--max-cpus 3 --hardware 1 --console-port tty,terminal --console-port org.example.agent --uuid "+uuid))
	c.expect(exitOK, "", words("vm show web"), "1, up to 3", uuid, "version 1", "!Balloon", "Console port tty                a terminal", "Console port org.example.agent  for programs")
	c.expect(exitConflict, "", words("vm set web --memory-target 32"), "that is off")
	c.expect(exitOK, "", words("vm set web --cpus 2"), "2, up to 3") // while it is off
	c.expect(exitOK, "", words("vm start web"))
	c.expect(exitOK, "", words("vm set web --cpus 3 --memory-target 32 --cpu-shares 5"), "3, up to 3", "the guest is to live with 32.0 MiB, and does without 32.0 MiB", "5 shares")
	c.expect(exitOK, "", words("vm set web --cpus 3")) // as it is
	c.expect(exitUsage, "", words("vm set web --cpus 4"), "cpus", "too many: 1 more, the machine has 3 and can have 3")
	c.expect(exitUsage, "", words("vm set web --cpus 2"), "none can be taken away")
	c.expect(exitUsage, "", words("vm set web --memory-target 65"), "1 to 64")
	c.expect(exitUsage, "", words("vm set web --memory-target lots"), "not a number")
	c.expect(exitOK, "", words("vm set web --memory-target 64"), "!Balloon")

	c.expect(exitOK, "", words("vm create grow --kernel k --memory 64 --cpus 2 --max-memory 576 --numa-nodes 2 --apic-id-step 256"))
	c.expect(exitOK, "", words("vm show grow"), "64 MiB, up to 576 MiB", "NUMA nodes", "256 apart")
	c.expect(exitOK, "", words("vm set grow --memory 192"), "192 MiB, up to") // while it is off
	c.expect(exitOK, "", words("vm start grow"))
	c.expect(exitOK, "", words("vm set grow --memory 320"), "320 MiB, up to 576 MiB")
	c.expect(exitOK, "", words("vm set grow --memory 320")) // as it is
	c.expect(exitUsage, "", words("vm set grow --memory 192"), "memoryMiB", "none can be taken away")
	c.expect(exitUsage, "", words("vm set grow --memory 330"), "memoryMiB", "a multiple of 128")
	c.expect(exitUsage, "", words("vm set grow --memory 704"), "too many: 384 MiB more, the machine has 320 and can have 576")
	c.expect(exitUsage, "", words("vm set web --memory 192"), "too many: 128 MiB more, the machine has 64 and can have 64")
	c.expect(exitUsage, "", words("vm set grow --memory lots"), "not a number")
	c.expect(exitNoRoom, "", words("vm set grow --memory 576"), "not enough free memory", "MiB free")

	vm, err := f.Client.VM(t.Context(), "web")
	if err != nil {
		t.Fatal(err)
	}
	guest, err := f.Host.VMs().Get(vm.ID)
	if err != nil {
		t.Fatal(err)
	}
	guest.Serial(2).Write([]byte("from the second port"))
	c.expect(exitOK, "", words("vm log web --port 2"), "from the second port", "!fake guest")
	c.expect(exitOK, "", words("vm log web --port 1"), "fake guest")
	c.expect(exitNotFound, "", words("vm log web --port 5"), "serial ports are 1 to 4", "console ports are tty, org.example.agent")
	c.expect(exitNotFound, "", words("vm console web --port none"), "serial ports are 1 to 4")
	c.expect(exitOK, "hello\n", words("vm console web --port 2 --linger 100ms"), "from the second port")
	b := make([]byte, 64)
	if n := guest.Serial(2).Receive(b); string(b[:n]) != "hello\r" {
		t.Errorf("the guest got %q", b[:n])
	}
	guest.Port("org.example.agent").Write([]byte("from the agent"))
	c.expect(exitOK, "", words("vm log web --port org.example.agent"), "from the agent")
	c.expect(exitOK, "hello\n", words("vm console web --port org.example.agent --linger 100ms"), "from the agent")
	c.expect(exitOK, "hello\n", words("vm console web --port tty --linger 100ms"))
	for name, want := range map[string]string{"org.example.agent": "hello\n", "tty": "hello\r"} {
		if n := guest.Port(name).Receive(b); string(b[:n]) != want {
			t.Errorf("%s: the guest got %q", name, b[:n])
		}
	}
	c.expect(exitOK, "", []string{"__complete", "vm", "console", "web", "--port", ""}, "4", "tty\ta terminal", "org.example.agent\tfor programs")
}
