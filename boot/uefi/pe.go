package uefi

import (
	"bytes"
	"debug/pe"
	"encoding/binary"
	"errors"
	"fmt"
)

const (
	pageSize  = 0x1000
	codeRVA   = pageSize // headers take the first page
	fileAlign = 0x200
)

// ErrLayout is wrapped when the loader outgrew the room that it has.
var ErrLayout = errors.New("uefi: the loader does not fit its layout")

// Build makes BOOTX64.EFI.
func Build() ([]byte, error) {
	c := program()
	b, err := c.Link()
	if err != nil {
		return nil, fmt.Errorf("uefi: assembling the loader: %w", err)
	}
	data, _ := c.Offset("data")
	entry, _ := c.Offset("start")
	from, _ := c.Offset("lowcode")
	to, _ := c.Offset("lowcodeend")
	if to-from > lowCodeSize {
		return nil, fmt.Errorf("%w: %d bytes of low code", ErrLayout, to-from)
	}
	return image(b[:data], b[data:], uint32(entry)), nil
}

// section is a part of the PE file; sections follow each other in memory.
type section struct {
	name  string
	flags uint32
	data  []byte
}

// image wraps code and data (both whole pages) into a PE32+ file. "PE Format",
// sections "File Headers", "Optional Header" and "Section Table".
func image(code, data []byte, entry uint32) []byte {
	const (
		executable, largeAddress       = 0x0002, 0x0020
		subsystemEFIApplication        = 10
		nxCompatible                   = 0x0100
		containsCode, containsData     = 0x20, 0x40
		memDiscard, memExec            = 0x02000000, 0x20000000
		memRead, memWrite              = 0x40000000, 0x80000000
		relocDirectory                 = 5
		peOffset                       = 0x80
		headerSize                     = 0x400
		sizeOfCOFF, sizeOfOptional     = 24, 240
		dosSignature, dosOffsetOfNewEx = 0x5a4d, 0x3c
	)
	// A loader that moves the image wants a relocation table, even an empty one.
	reloc := make([]byte, 12)
	binary.LittleEndian.PutUint32(reloc[0:], codeRVA)
	binary.LittleEndian.PutUint32(reloc[4:], 12)
	sections := []section{
		{".text", containsCode | memExec | memRead, code},
		{".data", containsData | memRead | memWrite, data},
		{".reloc", containsData | memRead | memDiscard, reloc},
	}
	rva, off := uint32(codeRVA), uint32(headerSize)
	var table []pe.SectionHeader32
	var body bytes.Buffer
	for _, s := range sections {
		h := pe.SectionHeader32{VirtualSize: uint32(len(s.data)), VirtualAddress: rva, PointerToRawData: off,
			SizeOfRawData: align(uint32(len(s.data)), fileAlign), Characteristics: s.flags}
		copy(h.Name[:], s.name)
		table = append(table, h)
		body.Write(s.data)
		body.Write(make([]byte, int(h.SizeOfRawData)-len(s.data)))
		rva, off = rva+align(h.VirtualSize, pageSize), off+h.SizeOfRawData
	}
	coff := pe.FileHeader{Machine: pe.IMAGE_FILE_MACHINE_AMD64, NumberOfSections: uint16(len(sections)),
		SizeOfOptionalHeader: sizeOfOptional, Characteristics: executable | largeAddress}
	opt := pe.OptionalHeader64{Magic: 0x20b, SizeOfCode: table[0].SizeOfRawData,
		SizeOfInitializedData: table[1].SizeOfRawData + table[2].SizeOfRawData,
		AddressOfEntryPoint:   codeRVA + entry, BaseOfCode: codeRVA,
		ImageBase: 0, SectionAlignment: pageSize, FileAlignment: fileAlign,
		SizeOfImage: rva, SizeOfHeaders: headerSize, Subsystem: subsystemEFIApplication,
		DllCharacteristics: nxCompatible, NumberOfRvaAndSizes: 16}
	opt.DataDirectory[relocDirectory] = pe.DataDirectory{VirtualAddress: table[2].VirtualAddress, Size: 12}

	b := make([]byte, peOffset)
	binary.LittleEndian.PutUint16(b, dosSignature)
	binary.LittleEndian.PutUint32(b[dosOffsetOfNewEx:], peOffset)
	out := bytes.NewBuffer(b)
	out.WriteString("PE\x00\x00")
	// Writing fixed-size structures into a Buffer cannot fail.
	_ = binary.Write(out, binary.LittleEndian, coff)
	_ = binary.Write(out, binary.LittleEndian, opt)
	_ = binary.Write(out, binary.LittleEndian, table)
	out.Write(make([]byte, headerSize-out.Len()))
	out.Write(body.Bytes())
	return out.Bytes()
}

func align(n, to uint32) uint32 { return (n + to - 1) &^ (to - 1) }
