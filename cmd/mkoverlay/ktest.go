package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// addKtest presents packages of this module inside GOROOT under their own import
// paths, and imports them from package testing, so that each test binary of the
// standard library links them. Such a package may import only what package
// testing already imports (go list -deps testing): anything more would make an
// import cycle with some package under test.
//
// The binary must be built outside the module, where these paths mean GOROOT's.
// An entry "path" is linked and imported; "+path" is only presented (something
// that an imported package needs).
func addKtest(ov *overlay, goroot string, pkgs []string) error {
	var env struct{ GOMOD string }
	if err := goJSON(&env, "env", "-json", "GOMOD"); err != nil {
		return err
	}
	root := filepath.Dir(env.GOMOD)
	var imports strings.Builder
	imports.WriteString("package testing\n\nimport (\n")
	for _, pkg := range pkgs {
		path, dependency := strings.CutPrefix(pkg, "+")
		dir := filepath.Join(root, filepath.FromSlash(strings.TrimPrefix(path, "basalt/")))
		if !strings.HasPrefix(path, "basalt/") {
			return fmt.Errorf("mkoverlay: ktest package %q is not of this module", path)
		}
		entries, err := os.ReadDir(dir)
		if err != nil {
			return fmt.Errorf("mkoverlay: ktest package: %w", err)
		}
		n := 0
		for _, e := range entries {
			name := e.Name()
			ext := filepath.Ext(name)
			if e.IsDir() || strings.HasSuffix(name, "_test.go") || ext != ".go" && ext != ".s" && ext != ".h" {
				continue
			}
			ov.aliases[filepath.Join(goroot, "src", filepath.FromSlash(path), name)] = filepath.Join(dir, name)
			n++
		}
		if n == 0 {
			return fmt.Errorf("mkoverlay: ktest package %q has no files", path)
		}
		if !dependency {
			fmt.Fprintf(&imports, "\t_ %q\n", path)
		}
	}
	imports.WriteString(")\n")
	ov.contents[filepath.Join(goroot, "src", "testing", "basalt_ktest.go")] = []byte(imports.String())
	return nil
}
