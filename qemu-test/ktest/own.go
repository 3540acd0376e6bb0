package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// ownOverlay adds to each of the module's packages that has tests an external test
// file that links the kernel, and gives the overlay's name. It starts from the
// overlay of mkoverlay.
func (w *workspace) ownOverlay(patterns []string) (name string, err error) {
	cmd := exec.Command("go", append([]string{"list", "-f",
		"{{if or .TestGoFiles .XTestGoFiles}}{{.Name}} {{.Dir}}{{end}}"}, patterns...)...)
	cmd.Dir = w.module
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("ktest: go list: %w", err)
	}
	text, err := os.ReadFile(filepath.Join(w.dir, "overlay", "overlay.json"))
	if err != nil {
		return "", fmt.Errorf("ktest: %w", err)
	}
	var overlay struct{ Replace map[string]string }
	if err := json.Unmarshal(text, &overlay); err != nil {
		return "", fmt.Errorf("ktest: overlay.json: %w", err)
	}
	for line := range strings.Lines(string(out)) {
		pkg, dir, _ := strings.Cut(strings.TrimSpace(line), " ")
		file := filepath.Join(w.dir, "own", pkg+"_test.go")
		if err := writeIfChanged(file, []byte("package "+pkg+"_test\n\nimport _ \""+linked+"\"\n")); err != nil {
			return "", err
		}
		overlay.Replace[filepath.Join(dir, "basalt_ktest_test.go")] = file
	}
	b, err := json.MarshalIndent(overlay, "", "\t")
	if err != nil {
		return "", fmt.Errorf("ktest: %w", err)
	}
	name = filepath.Join(w.dir, "own", "overlay.json")
	return name, writeIfChanged(name, b)
}
