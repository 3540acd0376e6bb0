package main

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// errAnchor says that a file of the release does not look as expected.
var errAnchor = errors.New("mkoverlay: the file does not match what is known of it")

// anchors are the functions to hook, exactly as go1.26 and go1.27 have them
// (without comments). The edit is refused if one differs.
var anchors = map[string]string{
	"RawSyscall": `func RawSyscall(trap, a1, a2, a3 uintptr) (r1, r2 uintptr, err Errno) {
	return RawSyscall6(trap, a1, a2, a3, 0, 0, 0)
}`,
	"RawSyscall6": `func RawSyscall6(trap, a1, a2, a3, a4, a5, a6 uintptr) (r1, r2 uintptr, err Errno) {
	var errno uintptr
	r1, r2, errno = linux.Syscall6(trap, a1, a2, a3, a4, a5, a6)
	err = Errno(errno)
	return
}`,
	"Syscall": `func Syscall(trap, a1, a2, a3 uintptr) (r1, r2 uintptr, err Errno) {
	runtime_entersyscall()
	r1, r2, err = RawSyscall6(trap, a1, a2, a3, 0, 0, 0)
	runtime_exitsyscall()
	return
}`,
	"Syscall6": `func Syscall6(trap, a1, a2, a3, a4, a5, a6 uintptr) (r1, r2 uintptr, err Errno) {
	runtime_entersyscall()
	r1, r2, err = RawSyscall6(trap, a1, a2, a3, a4, a5, a6)
	runtime_exitsyscall()
	return
}`,
}

// hooked replaces the four functions. The trap* copies keep the release's
// directives and bodies.
const hooked = `
// basaltHook, when set, is asked before each system call; ok false hands the
// call to the trap. It is Go code: it may allocate, park and grow the stack.
// basaltTrap is the call as the release makes it.
//
//go:linkname basaltHook
var basaltHook func(trap, a1, a2, a3, a4, a5, a6 uintptr) (r1, r2 uintptr, err Errno, ok bool)

//go:linkname basaltTrap
var basaltTrap = trapRawSyscall6

//go:linkname basaltTrapBlocking
var basaltTrapBlocking = trapSyscall6

//go:uintptrescapes
//go:linkname RawSyscall
func RawSyscall(trap, a1, a2, a3 uintptr) (r1, r2 uintptr, err Errno) {
	if h := basaltHook; h != nil {
		if r1, r2, err, ok := h(trap, a1, a2, a3, 0, 0, 0); ok {
			return r1, r2, err
		}
	}
	return trapRawSyscall6(trap, a1, a2, a3, 0, 0, 0)
}

//go:uintptrescapes
//go:linkname RawSyscall6
func RawSyscall6(trap, a1, a2, a3, a4, a5, a6 uintptr) (r1, r2 uintptr, err Errno) {
	if h := basaltHook; h != nil {
		if r1, r2, err, ok := h(trap, a1, a2, a3, a4, a5, a6); ok {
			return r1, r2, err
		}
	}
	return trapRawSyscall6(trap, a1, a2, a3, a4, a5, a6)
}

//go:uintptrescapes
//go:linkname Syscall
func Syscall(trap, a1, a2, a3 uintptr) (r1, r2 uintptr, err Errno) {
	if h := basaltHook; h != nil {
		if r1, r2, err, ok := h(trap, a1, a2, a3, 0, 0, 0); ok {
			return r1, r2, err
		}
	}
	return trapSyscall6(trap, a1, a2, a3, 0, 0, 0)
}

//go:uintptrescapes
//go:linkname Syscall6
func Syscall6(trap, a1, a2, a3, a4, a5, a6 uintptr) (r1, r2 uintptr, err Errno) {
	if h := basaltHook; h != nil {
		if r1, r2, err, ok := h(trap, a1, a2, a3, a4, a5, a6); ok {
			return r1, r2, err
		}
	}
	return trapSyscall6(trap, a1, a2, a3, a4, a5, a6)
}
`

// patchSyscall edits package syscall's two files.
func patchSyscall(ov *overlay, goroot string) error {
	for name, edit := range map[string]func([]byte) ([]byte, error){
		"syscall_linux.go": hookCalls,
		"exec_linux.go":    keepForkChild,
	} {
		path := filepath.Join(goroot, "src", "syscall", name)
		src, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("mkoverlay: %w", err)
		}
		dst, err := edit(src)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if dst, err = format.Source(dst); err != nil {
			return fmt.Errorf("%s: edited text: %w", path, err)
		}
		ov.contents[path] = dst
	}
	return nil
}

// hookCalls renames the four functions to trap*, as private copies, and adds the
// hooked ones at the end of the file.
func hookCalls(src []byte) ([]byte, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "", src, parser.ParseComments)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errAnchor, err)
	}
	var edits []edit
	found := 0
	for _, d := range file.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || fn.Recv != nil {
			continue
		}
		want, ok := anchors[fn.Name.Name]
		if !ok {
			continue
		}
		found++
		if got := withoutComments(src[fset.Position(fn.Pos()).Offset:fset.Position(fn.End()).Offset]); got != want {
			return nil, fmt.Errorf("%w: func %s is\n%s", errAnchor, fn.Name.Name, got)
		}
		if fn.Doc == nil {
			return nil, fmt.Errorf("%w: func %s has no directives", errAnchor, fn.Name.Name)
		}
		for _, directive := range []string{"//go:uintptrkeepalive", "//go:nosplit"} {
			if !hasDirective(fn.Doc, directive) {
				return nil, fmt.Errorf("%w: func %s lacks %s", errAnchor, fn.Name.Name, directive)
			}
		}
		for _, c := range fn.Doc.List {
			if strings.HasPrefix(c.Text, "//go:linkname ") {
				edits = append(edits, edit{fset.Position(c.Pos()).Offset, fset.Position(c.End()).Offset, "//"})
			}
		}
		edits = append(edits, renameCalls(fset, fn)...)
		edits = append(edits, rename(fset, fn.Name))
	}
	if found != len(anchors) {
		return nil, fmt.Errorf("%w: %d of %d functions found", errAnchor, found, len(anchors))
	}
	return append(apply(src, edits), hooked...), nil
}

// keepForkChild makes the code that runs in a forked child, where no stack may
// grow, call the private copies.
func keepForkChild(src []byte) ([]byte, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "", src, parser.ParseComments)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errAnchor, err)
	}
	children := map[string]bool{"forkAndExecInChild1": true, "doCheckClonePidfd": true}
	var edits []edit
	for _, d := range file.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || !children[fn.Name.Name] {
			continue
		}
		calls := renameCalls(fset, fn)
		if len(calls) == 0 {
			return nil, fmt.Errorf("%w: func %s makes no system call", errAnchor, fn.Name.Name)
		}
		delete(children, fn.Name.Name)
		edits = append(edits, calls...)
	}
	for name := range children {
		return nil, fmt.Errorf("%w: no func %s", errAnchor, name)
	}
	return apply(src, edits), nil
}

// edit replaces the bytes [from, to) of a file.
type edit struct {
	from, to int
	text     string
}

func apply(src []byte, edits []edit) []byte {
	sort.Slice(edits, func(i, j int) bool { return edits[i].from < edits[j].from })
	var out bytes.Buffer
	at := 0
	for _, e := range edits {
		out.Write(src[at:e.from])
		out.WriteString(e.text)
		at = e.to
	}
	out.Write(src[at:])
	return out.Bytes()
}

func rename(fset *token.FileSet, id *ast.Ident) edit {
	at := fset.Position(id.Pos()).Offset
	return edit{at, at + len(id.Name), "trap" + id.Name}
}

// renameCalls renames each call of a hooked function inside fn.
func renameCalls(fset *token.FileSet, fn *ast.FuncDecl) (edits []edit) {
	ast.Inspect(fn.Body, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		if id, ok := call.Fun.(*ast.Ident); ok && anchors[id.Name] != "" {
			edits = append(edits, rename(fset, id))
		}
		return true
	})
	return edits
}

func hasDirective(doc *ast.CommentGroup, directive string) bool {
	for _, c := range doc.List {
		if c.Text == directive {
			return true
		}
	}
	return false
}

// withoutComments drops the comment lines of a function.
func withoutComments(fn []byte) string {
	var keep []string
	for _, line := range strings.Split(string(fn), "\n") {
		if !strings.HasPrefix(strings.TrimSpace(line), "//") {
			keep = append(keep, line)
		}
	}
	return strings.Join(keep, "\n")
}
