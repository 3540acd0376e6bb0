// Package config reads the host's settings: basalt.conf from the boot
// partition, then the boot command line, which wins. World W2.
//
// Nothing here stops a boot. A key that is not known, a value that cannot be
// read, a line without meaning: each becomes a warning that names it, and the
// default stays. A password never appears in a warning or in a printed
// Settings.
//
// The input is what somebody wrote on a disk or typed at a boot prompt; the
// sizes are bounded (MaxFile, maxWarnings) and any bytes are survived.
//
// The format is described for users in docs/configuration.md; a test keeps that
// page and the table in keys.go together.
package config
