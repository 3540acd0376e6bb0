package main

import (
	"context"

	"basalt/arch/x86/io"
	"basalt/boot/info"
	"basalt/mgmt"
	"basalt/mgmt/version"
	"basalt/vmkernel/console"
	"basalt/vmkernel/hw"
	"basalt/vmkernel/linux"
	"basalt/vmkernel/panicscreen"
	"basalt/vmkernel/screen"
)

var display screen.Screen

// attachScreen takes the screen that the loader left, or VGA's text mode, for the
// console page and the crash screen.
func attachScreen() *console.Console {
	fb := linux.Facts().Framebuffer
	if fb.Kind == info.NoFramebuffer {
		fb = screen.VGAText()
	}
	size := screen.Size(fb)
	var con *console.Console
	if window, err := hw.Window(fb.Addr, size); err == nil && display.Attach(window, fb) {
		display.TuneVGA(io.Out8)
		con = console.New(&display)
	}
	panicscreen.Attach(&display, linux.RawByte)
	linux.OnFatal = fatal
	return con
}

// showPage keeps the console page up to date.
func showPage(con *console.Console, agent *mgmt.Agent) {
	if con == nil {
		return
	}
	for version := uint64(0); ; {
		st, v, err := agent.Status().Next(context.Background(), version)
		if err != nil {
			return
		}
		version = v
		con.Show(console.Page{
			Product: st.Product + " " + st.Version, Hostname: st.Hostname, Hardware: []string{st.Hardware},
			URLs: st.URLs, State: st.State, Trouble: st.State != "ready", Fingerprint: st.Fingerprint, Password: st.PasswordHint,
		})
	}
}

// crashRegs holds no pointer.
var crashRegs panicscreen.Registers

// fatal paints the purple screen. The runtime may be dead: see linux.OnFatal. The
// report is on the stack, because W1 must not store pointers elsewhere: with the
// collector at work the store would be a call into it.
func fatal(cause string, r *linux.Registers) {
	crash := panicscreen.Report{Version: version.Version, Cause: cause, Uptime: linux.Uptime(), Vector: -1}
	if r.Valid {
		crash.CPU, crash.Error = int(r.CPU), r.Error
		if r.Vector < 32 {
			crash.Vector = int(r.Vector)
		}
		crashRegs = panicscreen.Registers{
			RAX: r.RAX, RBX: r.RBX, RCX: r.RCX, RDX: r.RDX, RSI: r.RSI, RDI: r.RDI, RBP: r.RBP, RSP: r.RSP,
			R8: r.R8, R9: r.R9, R10: r.R10, R11: r.R11, R12: r.R12, R13: r.R13, R14: r.R14, R15: r.R15,
			RIP: r.RIP, RFLAGS: r.RFLAGS, CS: 8, SS: 16, CR0: r.CR0, CR2: r.CR2, CR3: r.CR3, CR4: r.CR4,
		}
		crash.Regs = &crashRegs
	}
	if !panicscreen.Begin(&crash) {
		return
	}
	if r.Valid {
		panicscreen.Section("Kernel trace")
		linux.Trace(r, panicscreen.Frame)
	}
	panicscreen.Section("Log")
	panicscreen.Write(linux.CrashLog())
	panicscreen.End("The host has stopped. Restart it to go on.")
}
