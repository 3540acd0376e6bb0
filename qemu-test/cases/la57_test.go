package cases

import (
	"bytes"
	"debug/pe"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
	"time"

	"basalt/boot/asm"
	"basalt/boot/image"
	"basalt/boot/uefi"
	"basalt/qemu-test/harness"
)

// TestBootFiveLevels: OVMF of Debian 12 runs with four levels of page tables, so
// the loader here first turns the fifth on and goes on as itself. From then on the
// firmware, the loader and the way into the kernel run with CR4.LA57 set. One
// processor: the firmware gives others the CR4 of this one, but its own tables.
func TestBootFiveLevels(t *testing.T) {
	t.Parallel()
	kernel, err := os.ReadFile(built("basalt.elf"))
	if err != nil {
		t.Fatal(err)
	}
	loader, err := uefi.Build()
	if err != nil {
		t.Fatal(err)
	}
	disk, err := image.Build(kernel, fiveLevels(t, loader), []byte(image.DefaultConfig), &image.GRUB{Boot: make([]byte, 512)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "la57.img")
	if err := os.WriteFile(path, disk, 0o600); err != nil {
		t.Fatal(err)
	}
	r, ctx := start(t, harness.Machine{Disk: path, Firmware: ovmf, CPUModel: "max,la57=on", Type: "q35", Limit: time.Minute})
	for _, w := range []string{`basalt: the firmware has five-level page tables`, `basalt: entering the kernel`, `cpus=1 .*boot=UEFI`, `msg=ready`} {
		if _, err := r.WaitFor(ctx, w); err != nil {
			t.Fatal(err)
		}
	}
}

// fiveLevels puts code in front of a loader that sets CR4.LA57 (SDM Vol. 3A, 4.1.1:
// only outside IA-32e mode) with the firmware's own PML4 under a PML5.
func fiveLevels(t *testing.T, loader []byte) []byte {
	t.Helper()
	f, err := pe.NewFile(bytes.NewReader(loader))
	if err != nil {
		t.Fatal(err)
	}
	opt := f.OptionalHeader.(*pe.OptionalHeader64)
	rva := opt.SizeOfImage
	code := la57Code(t, uint64(rva), uint64(opt.AddressOfEntryPoint))
	raw := uint32(len(loader)+0x1ff) &^ 0x1ff

	// "PE Format": the section's header behind the others, and what counts it.
	le, head := binary.LittleEndian, int(le32(loader[0x3c:]))
	count := int(f.NumberOfSections)
	le.PutUint16(loader[head+6:], uint16(count+1))
	optional := head + 24
	le.PutUint32(loader[optional+16:], rva+la57Entry)                      // AddressOfEntryPoint
	le.PutUint32(loader[optional+56:], rva+uint32(len(code)+0xfff)&^0xfff) // SizeOfImage
	h := loader[optional+int(f.SizeOfOptionalHeader)+40*count:]
	copy(h, ".la57\x00\x00\x00")
	for i, v := range []uint32{uint32(len(code)), rva, uint32(len(code)+0x1ff) &^ 0x1ff, raw, 0, 0, 0, 0xe0000020} {
		le.PutUint32(h[8+4*i:], v)
	}
	out := append(loader, make([]byte, int(raw)-len(loader))...)
	out = append(out, code...)
	return append(out, make([]byte, -len(code)&0x1ff)...)
}

func le32(b []byte) uint32 { return binary.LittleEndian.Uint32(b) }

// The section: a page for the PML5, then data at fixed offsets, then the code.
const (
	la57GDT   = 0x1000
	la57GDTR  = 0x1020
	la57Old   = 0x1030 // the firmware's GDTR
	la57CR3   = 0x1040
	la57SP    = 0x1048
	la57Far   = 0x1050 // offset and selector of the way back to 64 bits
	la57Entry = 0x1080
)

func la57Code(t *testing.T, base, entry uint64) []byte {
	t.Helper()
	c := asm.New(base, 64)
	c.PadTo(la57GDT)
	for _, d := range []uint64{0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0x00cf9b000000ffff} {
		c.Data64("", d)
	}
	c.PadTo(la57GDTR)
	c.Data("limit", 31, 0)
	c.PadTo(la57Entry)
	c.Raw("pushfq", 0x9c)
	c.Raw("cli", 0xfa)
	for _, r := range []asm.Reg{asm.CX, asm.DX, asm.BX, asm.BP, asm.SI, asm.DI} {
		c.Push(r, "")
	}
	c.Raw("mov eax, cs", 0x8c, 0xc8)
	c.Push(asm.AX, "the firmware's CS")
	c.Raw("lea rbx, [start of the section]", 0x48, 0x8d, 0x1d, 0, 0, 0, 0)
	end := c.Len()
	c.OpI64(asm.Sub, asm.BX, int32(end), "")
	c.Store64(asm.At(asm.BX, la57SP), asm.SP, "")
	c.Raw("sgdt [rbx+la57Old]", 0x0f, 0x01, 0x83, la57Old&0xff, la57Old>>8, 0, 0)
	c.Raw("mov rax, cr3", 0x0f, 0x20, 0xd8)
	c.OpI64(asm.Or, asm.AX, 3, "")
	c.Store64(asm.At(asm.BX, 0), asm.AX, "PML5[0] -> the firmware's PML4")
	c.Store64(asm.At(asm.BX, la57CR3), asm.BX, "")
	c.Lea(asm.AX, asm.At(asm.BX, la57GDT), "")
	c.Store64(asm.At(asm.BX, la57GDTR+2), asm.AX, "")
	c.Lea(asm.AX, asm.Ref("long"), "")
	c.Store(asm.At(asm.BX, la57Far), asm.AX, "")
	c.StoreI(asm.At(asm.BX, la57Far+4), 0x08, "")
	c.Raw("lgdt [rbx+la57GDTR]", 0x0f, 0x01, 0x93, la57GDTR&0xff, la57GDTR>>8, 0, 0)
	c.MovRI(asm.AX, 0x18, "")
	c.Push(asm.AX, "")
	c.Lea(asm.AX, asm.Ref("compatible"), "")
	c.Push(asm.AX, "")
	c.Raw("far return", 0x48, 0xcb)

	c.SetMode(32)
	c.Label("compatible")
	c.Raw("mov eax, cr0", 0x0f, 0x20, 0xc0)
	c.OpI(asm.And, asm.AX, 1<<31-1, "")
	c.Raw("mov cr0, eax", 0x0f, 0x22, 0xc0)
	c.Raw("mov eax, cr4", 0x0f, 0x20, 0xe0)
	c.OpI(asm.Or, asm.AX, 1<<12, "LA57")
	c.Raw("mov cr4, eax", 0x0f, 0x22, 0xe0)
	c.Load(asm.AX, asm.At(asm.BX, la57CR3), "")
	c.Raw("mov cr3, eax", 0x0f, 0x22, 0xd8)
	c.Raw("mov eax, cr0", 0x0f, 0x20, 0xc0)
	c.OpI(asm.Or, asm.AX, 1<<31, "")
	c.Raw("mov cr0, eax", 0x0f, 0x22, 0xc0)
	c.Raw("jmp far [ebx+la57Far]", 0xff, 0xab, la57Far&0xff, la57Far>>8, 0, 0)

	c.SetMode(64)
	c.Label("long")
	c.Load64(asm.SP, asm.At(asm.BX, la57SP), "")
	c.Raw("lgdt [rbx+la57Old]", 0x0f, 0x01, 0x93, la57Old&0xff, la57Old>>8, 0, 0)
	c.Lea(asm.AX, asm.Ref("home"), "the firmware's CS is on the stack")
	c.Push(asm.AX, "")
	c.Raw("far return", 0x48, 0xcb)
	c.Label("home")
	for _, r := range []asm.Reg{asm.DI, asm.SI, asm.BP, asm.BX, asm.DX, asm.CX} {
		c.Pop(r, "")
	}
	c.Raw("popfq", 0x9d)
	c.Raw("to the loader", append([]byte{0xe9}, binary.LittleEndian.AppendUint32(nil, uint32(entry-base)-uint32(c.Len()+5))...)...)
	b, err := c.Link()
	if err != nil {
		t.Fatal(err)
	}
	return b
}
