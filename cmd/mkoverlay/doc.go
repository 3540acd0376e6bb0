// Command mkoverlay writes the build-time overlay that lets Go code answer
// system calls (go build -overlay, "go help build").
//
// It reads the standard library of the installed Go release, edits it by syntax
// tree and exact anchors, and writes the edited files and overlay.json under
// build/_overlay. No file of the standard library is kept in this repository. A
// release that it does not know, or a file that does not look as expected, is
// refused by name: a kernel built from a wrong patch would fail much later.
//
// What is changed:
//
//   - package syscall: Syscall, Syscall6, RawSyscall and RawSyscall6 ask the
//     variable basaltHook first (see vmkernel/sys). Their arguments escape to the
//     heap instead of being kept alive in place, because the hook is Go code and
//     may grow the stack. The bodies as the release has them stay as private
//     copies; a child between fork and exec uses only those.
//   - with -mod: golang.org/x/sys/unix gets Go bodies for its assembly jumps into
//     package syscall, for the same reason. The go command refuses an overlay of
//     files in its module cache, so a copy of the module and a go.mod with a
//     replace line are written, to be used with -modfile.
//   - with -ktest: packages of this module are presented inside GOROOT and linked
//     into every test binary through package testing.
//
// Runs on the build machine only; no part of the kernel.
package main
