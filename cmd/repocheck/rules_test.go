package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"testing"
)

// layers is the import graph: a layer may import itself and what stands behind it
// on its line. Do not change it to get a build through.
const layers = `
cmd:       mgmt vmkernel drivers arch boot qemu-test
mgmt:      vmkernel drivers arch boot/info boot/config
vmkernel:  drivers arch boot/info boot/ap
drivers:   arch boot/info
arch:
boot:      arch
qemu-test: vmkernel drivers arch boot mgmt
`

// exceptions are single imports that the layers do not give, each with its reason.
const exceptions = `
vmkernel/console boot/config: settings
vmkernel/panicscreen boot/config: settings
`

// mgmtDoor is the only package of the VMkernel that mgmt may import, with its
// subpackages.
const mgmtDoor = "vmkernel/host"

// unsafeAllowed are the folders where unsafe and assembly may be used (and below).
const unsafeAllowed = `
arch/x86
vmkernel/linux
vmkernel/pmem
vmkernel/spin
vmkernel/percpu
vmkernel/hw
vmkernel/gmem
vmkernel/sys
vmkernel/vfs
vmkernel/vcpu/hostcpu
vmkernel/vcpu/svmcpu
vmkernel/vcpu/vmxcpu
vmkernel/vcpu/w1test
vmkernel/vm/ring0
qemu-test/stress
`

// requests are the words that must stand above each conversion.
var requests = regexp.MustCompile(`JUSTIFICATION:|SAFETY:`)

type source struct {
	path string
	dir  string
	file *ast.File
	text string
}

func sources(t *testing.T) []source {
	t.Helper()
	root := filepath.Join("..", "..")
	fset := token.NewFileSet()
	var out []source
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, p)
		if d.IsDir() {
			if name := d.Name(); p != root && (rel == "build" || strings.HasPrefix(name, ".") || name == "testdata") {
				return filepath.SkipDir
			}
			return nil
		}
		if filepath.Ext(p) != ".go" {
			return nil
		}
		text, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(fset, p, text, parser.ParseComments)
		if err != nil {
			return err
		}
		out = append(out, source{filepath.ToSlash(rel), filepath.ToSlash(filepath.Dir(rel)), f, string(text)})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) < 50 {
		t.Fatalf("only %d source files found: wrong folder?", len(out))
	}
	return out
}

func table(text string) map[string][]string {
	m := map[string][]string{}
	for line := range strings.Lines(text) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			m[k] = strings.Fields(v)
		}
	}
	return m
}

func within(path, folder string) bool {
	return path == folder || strings.HasPrefix(path, folder+"/")
}

func TestImportsGoOneWay(t *testing.T) {
	rules := table(layers)
	extra := table(exceptions)
	for _, s := range sources(t) {
		top, _, _ := strings.Cut(s.dir, "/")
		allowed, known := rules[top]
		if !known {
			t.Errorf("%s: the folder %s is in no layer", s.path, top)
			continue
		}
		for _, im := range s.file.Imports {
			p, _ := strconv.Unquote(im.Path.Value)
			p, ours := strings.CutPrefix(p, "basalt/")
			if !ours || within(p, top) {
				continue
			}
			ok := false
			for _, a := range allowed {
				ok = ok || within(p, a)
			}
			if _, ex := extra[s.dir+" "+p]; ex {
				ok = true
			}
			if strings.HasSuffix(s.path, "_test.go") && (within(p, "boot") || within(p, "qemu-test")) {
				ok = true
			}
			if !ok {
				t.Errorf("%s imports %s: %s may import only %s", s.path, p, top, strings.Join(allowed, " "))
			}
			if top == "mgmt" && within(p, "vmkernel") && !within(p, mgmtDoor) {
				t.Errorf("%s imports %s: mgmt reaches the VMkernel only through %s", s.path, p, mgmtDoor)
			}
		}
	}
}

func TestUnsafeStaysWhereItMayBe(t *testing.T) {
	allowed := strings.Fields(unsafeAllowed)
	may := func(dir string) bool {
		for _, a := range allowed {
			if within(dir, a) {
				return true
			}
		}
		return false
	}
	for _, s := range sources(t) {
		for _, im := range s.file.Imports {
			if im.Path.Value == `"unsafe"` && !may(s.dir) && !strings.HasSuffix(s.path, "_test.go") {
				t.Errorf("%s imports unsafe", s.path)
			}
		}
		if uses := strings.Contains(s.text, "unsafe.Pointer(") || strings.Contains(s.text, "unsafe.Slice("); uses &&
			!strings.HasSuffix(s.path, "_test.go") && !requests.MatchString(s.text) {
			t.Errorf("%s converts pointers without the words JUSTIFICATION and SAFETY", s.path)
		}
	}
	asm, err := filepath.Glob("../../*/*/*.s")
	if err != nil {
		t.Fatal(err)
	}
	deeper, _ := filepath.Glob("../../*/*/*/*.s")
	for _, p := range append(asm, deeper...) {
		rel, _ := filepath.Rel("../..", p)
		dir := filepath.ToSlash(filepath.Dir(rel))
		if !may(dir) {
			t.Errorf("%s: assembly is not allowed here", rel)
		}
		text, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), "JUSTIFICATION:") || !strings.Contains(string(text), "SAFETY:") {
			t.Errorf("%s lacks the words JUSTIFICATION and SAFETY", rel)
		}
	}
}

func TestPackagesAreDocumented(t *testing.T) {
	documented := map[string]bool{}
	for _, s := range sources(t) {
		if strings.HasSuffix(s.path, "_test.go") {
			continue
		}
		documented[s.dir] = documented[s.dir] || s.file.Doc != nil
	}
	var bare []string
	for d, ok := range documented {
		if !ok {
			bare = append(bare, d)
		}
	}
	sort.Strings(bare)
	for _, d := range bare {
		t.Errorf("%s has no package documentation", d)
	}
}
