package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// errRelease says that the Go release is not one that this program knows.
var errRelease = errors.New("mkoverlay: unknown Go release")

// known lists the release lines whose files were read and whose overlay was
// tested. Add a line after reading the difference of the patched files.
var known = []string{"1.26", "1.27"}

var releaseRE = regexp.MustCompile(`^go(\d+\.\d+)(\.\d+)?$`)

// checkRelease reads GOROOT's VERSION file and refuses what is not known.
func checkRelease(goroot string) error {
	text, err := os.ReadFile(filepath.Join(goroot, "VERSION"))
	if err != nil {
		return fmt.Errorf("mkoverlay: read the Go version: %w", err)
	}
	name, _, _ := strings.Cut(string(text), "\n")
	name = strings.TrimSpace(name)
	m := releaseRE.FindStringSubmatch(name)
	if m == nil {
		return fmt.Errorf("%w %q (want a release of %s)", errRelease, name, strings.Join(known, " or "))
	}
	for _, k := range known {
		if m[1] == k {
			return nil
		}
	}
	return fmt.Errorf("%w %q (known: %s)", errRelease, name, strings.Join(known, ", "))
}
