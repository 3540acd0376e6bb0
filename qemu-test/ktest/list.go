package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// item is a line of the list: how to test one package.
type item struct {
	pkg    string
	skip   string   // -test.skip
	run    string   // -test.run
	short  bool     // -test.short
	data   []string // paths below GOROOT for the archive
	memMiB int      // 0 takes the default
	reason string   // behind '#'
}

var errList = errors.New("ktest: the list is wrong")

// readList reads a list file.
func readList(name string) ([]item, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("ktest: %w", err)
	}
	defer f.Close()
	var items []item
	seen := map[string]bool{}
	in := bufio.NewScanner(f)
	for n := 1; in.Scan(); n++ {
		it, err := parseLine(in.Text())
		if err != nil {
			return nil, fmt.Errorf("%w: %s:%d: %w", errList, name, n, err)
		}
		if it.pkg == "" {
			continue
		}
		if seen[it.pkg] {
			return nil, fmt.Errorf("%w: %s:%d: %s stands there twice", errList, name, n, it.pkg)
		}
		seen[it.pkg] = true
		items = append(items, it)
	}
	if err := in.Err(); err != nil {
		return nil, fmt.Errorf("ktest: %s: %w", name, err)
	}
	return items, nil
}

// parseLine reads one line; an empty one and a comment give no package. What is
// left out must have its reason.
func parseLine(line string) (it item, err error) {
	line, it.reason, _ = strings.Cut(line, "#")
	it.reason = strings.TrimSpace(it.reason)
	words := strings.Fields(line)
	if len(words) == 0 {
		return item{}, nil
	}
	it.pkg = words[0]
	for _, w := range words[1:] {
		name, value, _ := strings.Cut(w, "=")
		switch name {
		case "skip":
			it.skip = value
		case "run":
			it.run = value
		case "short":
			it.short = true
		case "data":
			it.data = strings.Split(value, ",")
		case "mem":
			if it.memMiB, err = strconv.Atoi(value); err != nil {
				return item{}, err
			}
		default:
			return item{}, fmt.Errorf("unknown setting %q", w)
		}
	}
	if (it.skip != "" || it.run != "" || it.short) && it.reason == "" {
		return item{}, errors.New("tests are left out without a reason behind '#'")
	}
	return it, nil
}

// flags are the test binary's flags for the item.
func (it item) flags() (f []string) {
	if it.skip != "" {
		f = append(f, "-test.skip="+it.skip)
	}
	if it.run != "" {
		f = append(f, "-test.run="+it.run)
	}
	if it.short {
		f = append(f, "-test.short")
	}
	return f
}
