package vsock

import (
	"encoding/binary"

	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/gmem"
	"basalt/vmkernel/vdev/virtio/vring"
)

// header is a packet's, section 5.10.6.
type header struct {
	srcCID, dstCID   uint64
	srcPort, dstPort uint32
	size             uint32
	kind, op         uint16
	flags            uint32
	alloc, forwarded uint32
}

func parse(b *[spec.VsockHdrSize]byte) header {
	le := binary.LittleEndian
	return header{
		le.Uint64(b[spec.VsockSrcCID:]), le.Uint64(b[spec.VsockDstCID:]), le.Uint32(b[spec.VsockSrcPort:]), le.Uint32(b[spec.VsockDstPort:]),
		le.Uint32(b[spec.VsockLen:]), le.Uint16(b[spec.VsockType:]), le.Uint16(b[spec.VsockOp:]), le.Uint32(b[spec.VsockFlags:]),
		le.Uint32(b[spec.VsockBufAlloc:]), le.Uint32(b[spec.VsockFwdCnt:]),
	}
}

func (h *header) put(b *[spec.VsockHdrSize]byte) {
	le := binary.LittleEndian
	le.PutUint64(b[spec.VsockSrcCID:], h.srcCID)
	le.PutUint64(b[spec.VsockDstCID:], h.dstCID)
	le.PutUint32(b[spec.VsockSrcPort:], h.srcPort)
	le.PutUint32(b[spec.VsockDstPort:], h.dstPort)
	le.PutUint32(b[spec.VsockLen:], h.size)
	le.PutUint16(b[spec.VsockType:], h.kind)
	le.PutUint16(b[spec.VsockOp:], h.op)
	le.PutUint32(b[spec.VsockFlags:], h.flags)
	le.PutUint32(b[spec.VsockBufAlloc:], h.alloc)
	le.PutUint32(b[spec.VsockFwdCnt:], h.forwarded)
}

// reply is a reset for what is no connection.
type reply struct {
	cid              uint64 // the source that the guest sees
	srcPort, dstPort uint32
	kind             uint16
}

// gather copies len(p) bytes of segs after skip; the caller knows that they are
// there.
func gather(m *gmem.Memory, segs []vring.Segment, skip uint64, p []byte) error {
	for _, s := range segs {
		if len(p) == 0 {
			break
		}
		if skip >= uint64(s.Len) {
			skip -= uint64(s.Len)
			continue
		}
		n := min(uint64(len(p)), uint64(s.Len)-skip)
		if err := m.Read(s.Addr+skip, p[:n]); err != nil {
			return err
		}
		p, skip = p[n:], 0
	}
	return nil
}

// scatter copies p to segs after skip, which have room.
func scatter(m *gmem.Memory, segs []vring.Segment, skip uint64, p []byte) error {
	for _, s := range segs {
		if len(p) == 0 {
			break
		}
		if skip >= uint64(s.Len) {
			skip -= uint64(s.Len)
			continue
		}
		n := min(uint64(len(p)), uint64(s.Len)-skip)
		if err := m.Write(s.Addr+skip, p[:n]); err != nil {
			return err
		}
		p, skip = p[n:], 0
	}
	return nil
}
