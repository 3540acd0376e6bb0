package main

import (
	"bytes"
	"log/slog"
	"time"

	"basalt/boot/config"
	"basalt/boot/info"
	"basalt/vmkernel/linux"
)

// readSettings joins basalt.conf, which the loader brings as the first module (unless
// that is an archive of files), and the command line up to "--".
func readSettings() *config.Settings {
	f := linux.Facts()
	var file []byte
	if f.NumModules > 0 {
		file = moduleBytes(&f.Modules[0])
	}
	line, _, _ := bytes.Cut(f.CommandLine(), []byte("-- "))
	return config.Parse(file, line) // what follows "--" are the program's arguments
}

const maxConf = 64 << 10

func moduleBytes(m *info.Module) []byte {
	b := moduleView(m)
	if len(b) > maxConf || isArchive(b) {
		return nil
	}
	return append([]byte(nil), b...)
}

// uptimeOnly writes times in the log as seconds since boot.
func uptimeOnly(groups []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey && len(groups) == 0 {
		return slog.Duration("t", time.Duration(linux.Uptime()).Round(time.Millisecond))
	}
	return a
}
