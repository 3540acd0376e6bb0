package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"basalt/mgmt/client"
	"basalt/mgmt/wire"
)

func (a *app) fileCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "file", Aliases: []string{"files"}, Short: "Upload, download, copy, list and remove files of the host", Args: cobra.NoArgs,
		Long: `The host's file store holds kernels, initial RAM disks and modules that virtual
machines boot, and the images of their disks. Paths are relative, with slashes, of letters, digits and . _ - + @ = ~.`,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(a.filePut(), a.fileCreate(), a.fileGet(), a.fileCopy(), a.fileList(), a.fileRemove())
	return c
}

func (a *app) filePut() *cobra.Command {
	var onlyNew bool
	c := &cobra.Command{
		Use: "put LOCAL [PATH]", Short: "Upload a file", Args: cobra.RangeArgs(1, 2),
		Long: `Upload the file LOCAL to PATH on the host; without PATH, or if PATH ends in '/', its own
name is used. LOCAL '-' is standard input and needs PATH. An existing file is replaced in one step: nobody
ever sees a part of the new one, and an upload that is cut leaves nothing behind.
The host refuses at once what does not fit into its free memory. The content is
compared by SHA-256.`,
		Example: `  basalt file put /boot/vmlinuz-6.1.0-26-cloud-amd64 debian/vmlinuz
  basalt file put initrd.img debian/
  gunzip < xen.gz | basalt file put - xen`,
		RunE: work(func(ctx context.Context, args []string) error {
			local, remote := args[0], ""
			if len(args) > 1 {
				remote = args[1]
			}
			if remote == "" || remote[len(remote)-1] == '/' {
				if local == "-" {
					return usageError("standard input needs a PATH")
				}
				remote += filepath.Base(local)
			}
			f, err := a.openLocal(local)
			if err != nil {
				return err
			}
			defer f.close()
			return a.stream(ctx, func(ctx context.Context, c *client.Client) error {
				p := a.progress(remote, f.size)
				stored, err := c.PutFile(ctx, remote, io.TeeReader(f, p), f.size, onlyNew)
				p.done(err)
				if err != nil {
					return err
				}
				return a.show(stored, func(w io.Writer) {
					fmt.Fprintf(w, "%s: %d bytes, SHA-256 %s\n", stored.Path, stored.Bytes, stored.SHA256)
				})
			})
		}),
	}
	c.Flags().BoolVar(&onlyNew, "new", false, "fail if the file exists")
	return c
}

func (a *app) fileCreate() *cobra.Command {
	var sizeText string
	c := &cobra.Command{
		Use: "create PATH --size SIZE", Short: "Make an empty disk image", Args: cobra.ExactArgs(1),
		Long: `Make a disk image of SIZE zeroes: in MiB, or with K, M, G or T. It takes memory of the host
only as a machine writes to it, and gives back what the guest discards (fstrim). An
existing file is not replaced.`,
		Example: "  basalt file create --size 10G data.img\n  basalt vm disk add web image=data.img",
		RunE: work(func(ctx context.Context, args []string) error {
			n, err := parseSize(sizeText)
			if err != nil {
				return err
			}
			return a.with(ctx, func(ctx context.Context, c *client.Client) error {
				f, err := c.CreateImage(ctx, args[0], n)
				if err != nil {
					return err
				}
				return a.show(f, func(w io.Writer) { fmt.Fprintf(w, "%s: %d bytes\n", f.Path, f.Bytes) })
			})
		}),
	}
	c.Flags().StringVar(&sizeText, "size", "", "`size` in MiB, or with K, M, G or T")
	c.MarkFlagRequired("size")
	return c
}

type localFile struct {
	*os.File
	size int64
	temp bool
}

func (f *localFile) close() {
	f.Close()
	if f.temp {
		os.Remove(f.Name())
	}
}

// openLocal opens a file to upload; standard input goes through a temporary file,
// because the host wants to know the size first.
func (a *app) openLocal(name string) (*localFile, error) {
	if name == "-" {
		t, err := os.CreateTemp("", "basalt-*")
		if err != nil {
			return nil, err
		}
		f := &localFile{File: t, temp: true}
		f.size, err = io.Copy(t, a.in)
		if err == nil {
			_, err = t.Seek(0, io.SeekStart)
		}
		if err != nil {
			f.close()
			return nil, err
		}
		return f, nil
	}
	o, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	st, err := o.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = usageError(name + " is not a regular file")
	}
	if err != nil {
		o.Close()
		return nil, err
	}
	return &localFile{File: o, size: st.Size()}, nil
}

func (a *app) fileGet() *cobra.Command {
	return &cobra.Command{
		Use: "get PATH [LOCAL]", Short: "Download a file", Args: cobra.RangeArgs(1, 2), ValidArgsFunction: a.completeFiles,
		Long: `Download PATH to LOCAL; without LOCAL the last part of PATH is used, in the current folder.
LOCAL '-' is standard output. A download that is cut leaves nothing behind.`,
		Example: "  basalt file get debian/vmlinuz\n  basalt file get debian/vmlinuz - | sha256sum",
		RunE: work(func(ctx context.Context, args []string) error {
			local := path.Base(args[0])
			if len(args) > 1 {
				local = args[1]
			}
			return a.stream(ctx, func(ctx context.Context, c *client.Client) error {
				r, n, err := c.GetFile(ctx, args[0])
				if err != nil {
					return err
				}
				defer r.Close()
				if local == "-" {
					_, err := io.Copy(a.out, r)
					return err
				}
				p := a.progress(local, n)
				err = store(local, io.TeeReader(r, p))
				p.done(err)
				if err != nil || !a.json {
					return err
				}
				return a.show(map[string]any{"path": args[0], "local": local, "bytes": n}, nil)
			})
		}),
	}
}

// store writes a file by way of a temporary one beside it.
func store(name string, r io.Reader) error {
	t, err := os.CreateTemp(filepath.Dir(name), ".basalt-*")
	if err != nil {
		return err
	}
	_, err = io.Copy(t, r)
	if err = errors.Join(err, t.Close()); err == nil {
		err = os.Chmod(t.Name(), 0o644)
	}
	if err == nil {
		err = os.Rename(t.Name(), name)
	}
	if err != nil {
		os.Remove(t.Name())
	}
	return err
}

func (a *app) fileCopy() *cobra.Command {
	var in wire.FileCopy
	c := &cobra.Command{
		Use: "cp PATH COPY", Aliases: []string{"copy"}, Short: "Copy a file or disk image on the host", Args: cobra.ExactArgs(2), ValidArgsFunction: a.completeFiles,
		Long: `Copy the file or image PATH to COPY, both in the host's file store; if COPY ends in '/', the last
part of PATH is added. What the image of a disk leaves empty takes no memory in the copy
either. COPY appears when all of it is there: a copy that fails, or that Ctrl-C ends, leaves
what was there before. The host refuses what does not fit into its free memory, and an image
that a machine may write to: switch the machine off, or suspend or clone it.`,
		Example: "  basalt file cp debian.img web.img\n  basalt file cp web.state states/ --replace",
		RunE: work(func(ctx context.Context, args []string) error {
			if in.From, in.To = args[0], args[1]; strings.HasSuffix(in.To, "/") {
				in.To += path.Base(in.From)
			}
			return longer(ctx, a, in.To, func(ctx context.Context, c *client.Client, p client.Progress) (wire.File, error) {
				return c.CopyFile(ctx, in, p)
			}, func(w io.Writer, f wire.File) { fmt.Fprintf(w, "%s: %d bytes\n", f.Path, f.Bytes) })
		}),
	}
	c.Flags().BoolVar(&in.Replace, "replace", false, "replace a file that is there")
	return c
}

func (a *app) fileList() *cobra.Command {
	return &cobra.Command{
		Use: "ls [PREFIX]", Aliases: []string{"list"}, Short: "List files", Args: cobra.MaximumNArgs(1), ValidArgsFunction: a.completeFiles,
		Long:    "List the files whose path begins with PREFIX, with their sizes, and what is free.",
		Example: "  basalt file ls\n  basalt file ls debian/ --json",
		RunE: work(func(ctx context.Context, args []string) error {
			prefix := ""
			if len(args) > 0 {
				prefix = args[0]
			}
			return a.with(ctx, func(ctx context.Context, c *client.Client) error {
				l, err := c.Files(ctx, prefix)
				if err != nil {
					return err
				}
				return a.show(l, func(w io.Writer) {
					fmt.Fprintln(w, "PATH\tSIZE\tMEMORY\tMODIFIED\tSHA-256\tDISK OF")
					for _, f := range l.Files {
						used := "-"
						if f.UsedBytes > 0 {
							used = size(uint64(f.UsedBytes))
						}
						fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%.12s\t%s\n", f.Path, size(uint64(f.Bytes)), used,
							f.Modified.Local().Format(time.DateTime), printable(f.SHA256), printable(strings.Join(f.Machines, " ")))
					}
					a.note("%s free", size(l.FreeBytes))
				})
			})
		}),
	}
}

func (a *app) fileRemove() *cobra.Command {
	return &cobra.Command{
		Use: "rm PATH...", Aliases: []string{"remove"}, Short: "Remove files", Args: cobra.MinimumNArgs(1), ValidArgsFunction: a.completeFiles,
		Long:    "Remove files. A machine that was started with a file keeps its content until it stops; the image of a disk\ncannot be removed while a machine has it open.",
		Example: "  basalt file rm debian/vmlinuz debian/initrd.img",
		RunE: work(func(ctx context.Context, args []string) error {
			return a.with(ctx, func(ctx context.Context, c *client.Client) error {
				return a.remove(args, func(p string) error { return c.RemoveFile(ctx, p) })
			})
		}),
	}
}
