package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
)

// target is one fuzz function.
type target struct {
	dir  string // relative to the module, with slashes
	name string
}

func (t target) String() string { return t.dir + " " + t.name }

// find gives the fuzz functions of the module in root, ordered by folder and file.
func find(root string) ([]target, error) {
	var all []target
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		if d.IsDir() {
			if n := d.Name(); p != root && (rel == "build" || n == "testdata" || strings.HasPrefix(n, ".") || strings.HasPrefix(n, "_")) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(p, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), p, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, decl := range f.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && isFuzz(fn) {
				all = append(all, target{filepath.ToSlash(filepath.Dir(rel)), fn.Name.Name})
			}
		}
		return nil
	})
	return all, err
}

// isFuzz says whether the go command takes fn for a fuzz target.
func isFuzz(fn *ast.FuncDecl) bool {
	rest, ok := strings.CutPrefix(fn.Name.Name, "Fuzz")
	if !ok || fn.Recv != nil || rest != "" && rest[0] >= 'a' && rest[0] <= 'z' || fn.Type.Params.NumFields() != 1 {
		return false
	}
	star, ok := fn.Type.Params.List[0].Type.(*ast.StarExpr)
	if !ok {
		return false
	}
	sel, ok := star.X.(*ast.SelectorExpr)
	return ok && sel.Sel.Name == "F"
}
