package blk

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"

	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/checkpoint"
	"basalt/vmkernel/vdev/virtio"
)

// model is the Device as the core sees it.
type model Device

// maxRanges is the largest number of ranges in a discard or write zeroes.
const maxRanges = 16

// sectors of at most n bytes that fit in 32 bits.
func sectors(n int64) uint32 { return uint32(min(n/spec.BlkSector, math.MaxUint32)) }

// ReadConfig is struct virtio_blk_config, 5.2.4.
func (m *model) ReadConfig(off int, p []byte) {
	var b [spec.BlkCfgSize]byte
	le := binary.LittleEndian
	info := &m.info
	le.PutUint64(b[spec.BlkCapacity:], uint64(m.capacity.Load()/spec.BlkSector))
	le.PutUint32(b[spec.BlkSegMax:], m.segMax)
	le.PutUint32(b[spec.BlkSize:], uint32(info.LogicalBlock))
	b[spec.BlkPhysicalExp] = uint8(bits.Len(uint(info.PhysicalBlock/info.LogicalBlock)) - 1)
	le.PutUint16(b[spec.BlkMinIO:], uint16(min(info.PhysicalBlock/info.LogicalBlock, math.MaxUint16)))
	if m.writeback.Load() {
		b[spec.BlkWriteback] = 1
	}
	if m.features>>spec.BlkFMQ&1 != 0 {
		le.PutUint16(b[spec.BlkNumQueues:], uint16(len(m.queues)))
	}
	if m.features>>spec.BlkFDiscard&1 != 0 {
		le.PutUint32(b[spec.BlkMaxDiscard:], sectors(info.MaxDiscard))
		le.PutUint32(b[spec.BlkMaxDiscardSeg:], maxRanges)
		le.PutUint32(b[spec.BlkDiscardAlignment:], uint32(info.LogicalBlock/spec.BlkSector))
	}
	if m.features>>spec.BlkFWriteZeroes&1 != 0 {
		le.PutUint32(b[spec.BlkMaxWriteZeroes:], sectors(info.MaxWriteZeroes))
		le.PutUint32(b[spec.BlkMaxWriteZeroesSeg:], maxRanges)
		b[spec.BlkZeroesMayUnmap] = 1
	}
	copy(p, b[off:])
}

// WriteConfig takes writeback, the one field that can be written, and only if
// CONFIG_WCE was negotiated (5.2.6.1).
func (m *model) WriteConfig(off int, p []byte) bool {
	if off != spec.BlkWriteback || len(p) != 1 || p[0] > 1 || !m.toggle.Load() {
		return false
	}
	m.writeback.Store(p[0] == 1)
	return true
}

// Accept initializes writeback (5.2.5.2): 0 if there is no FLUSH.
func (m *model) Accept(features uint64) bool {
	m.writeback.Store(features>>spec.BlkFFlush&1 != 0)
	m.toggle.Store(features>>spec.BlkFConfigWCE&1 != 0)
	return true
}

// Reset leaves write-back on, which a driver without FEATURES_OK must not read.
func (m *model) Reset() { m.writeback.Store(true) }

// Close has nothing to end: no request is in flight and the disk is its owner's.
func (m *model) Close() {}

const stateVersion = 1

// SaveState writes the cache mode and what has to be the same where it is loaded.
func (m *model) SaveState() ([]byte, error) {
	e := checkpoint.NewEncoder(stateVersion)
	e.I64(m.capacity.Load())
	e.U32(uint32(m.info.LogicalBlock))
	e.Bool(m.writeback.Load())
	return e.Bytes(), nil
}

// LoadState refuses the state of a disk with another size or block.
func (m *model) LoadState(b []byte) error {
	x := checkpoint.NewDecoder(b, stateVersion)
	capacity, block, writeback := x.I64(), x.U32(), x.Bool()
	if err := x.Done(m.Name()); err != nil {
		return err
	}
	info := m.disk.Info()
	if capacity != info.Size || int64(block) != int64(info.LogicalBlock) {
		return fmt.Errorf("%s: load state: %w: a disk of %d bytes in blocks of %d, here %d and %d",
			m.Name(), virtio.ErrState, capacity, block, info.Size, info.LogicalBlock)
	}
	m.capacity.Store(capacity)
	m.writeback.Store(writeback)
	return nil
}

// Name is the device's.
func (m *model) Name() string { return m.Device.Name() }
