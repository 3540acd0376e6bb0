package artefacts

import (
	"bufio"
	"errors"
	"io"
	"os"
	"path/filepath"

	"basalt/boot/cpio"
)

// Archive writes files as the cpio archive out, under their base names: what a boot
// loader brings for the file store. It is made again when a file is newer.
func Archive(out string, files ...string) error {
	if have, err := os.Stat(out); err == nil {
		old := false
		for _, f := range files {
			st, err := os.Stat(f)
			if err != nil {
				return err
			}
			old = old || st.ModTime().After(have.ModTime())
		}
		if !old {
			return nil
		}
	}
	f, err := os.CreateTemp(filepath.Dir(out), filepath.Base(out)+".*")
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	for _, name := range files {
		if err = addFile(w, name); err != nil {
			break
		}
	}
	if err == nil {
		_, err = w.Write(cpio.End(nil))
	}
	if err = errors.Join(err, w.Flush(), f.Chmod(0o644), f.Close()); err == nil {
		err = os.Rename(f.Name(), out)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// addFile writes one entry: a header, then the file's bytes as they come.
func addFile(w io.Writer, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if _, err := w.Write(cpio.Header(filepath.Base(name), cpio.KindFile|0o644, st.Size())); err != nil {
		return err
	}
	if _, err := io.Copy(w, f); err != nil {
		return err
	}
	_, err = w.Write(make([]byte, -st.Size()&3))
	return err
}
