package vswitch

import (
	"encoding/binary"
	"fmt"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"
)

// mac gives station n's address.
func mac(n byte) MAC { return MAC{0x02, 0xba, 0x5a, 0, 0, n} }

// sink is a receiver that copies what it gets.
type sink struct {
	mu     sync.Mutex
	room   int // frames that it still takes; negative: no limit
	frames [][]byte
	off    []Offload
}

func (k *sink) Deliver(batch []Frame) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := range batch {
		if k.room == 0 {
			return i
		}
		k.room--
		b := make([]byte, batch[i].Size+1)
		c := batch[i].Cursor()
		n := c.Read(b)
		if n != batch[i].Size {
			panic(fmt.Sprintf("frame of %d bytes says %d", n, batch[i].Size))
		}
		k.frames = append(k.frames, b[:n])
		k.off = append(k.off, batch[i].Offload)
	}
	return len(batch)
}

// take gives what came since the last time.
func (k *sink) take() ([][]byte, []Offload) {
	k.mu.Lock()
	defer k.mu.Unlock()
	f, o := k.frames, k.off
	k.frames, k.off = nil, nil
	return f, o
}

// rig is a switch with named sinks on its ports and a clock.
type rig struct {
	*testing.T
	sw    *Switch
	mu    sync.Mutex
	now   time.Time
	ports map[string]*Port
	sinks map[string]*sink
	send  map[string]*Sender
}

func newRig(t *testing.T, c Config) *rig {
	r := &rig{T: t, now: time.Unix(1_700_000_000, 0), ports: map[string]*Port{}, sinks: map[string]*sink{}, send: map[string]*Sender{}}
	c.Now = func() time.Time {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.now
	}
	sw, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	r.sw = sw
	t.Cleanup(sw.Close)
	return r
}

func (r *rig) pass(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = r.now.Add(d)
}

func (r *rig) add(c PortConfig) *Port {
	r.Helper()
	k := &sink{room: -1}
	p, err := r.sw.AddPort(c, k)
	if err != nil {
		r.Fatal(err)
	}
	r.ports[c.Name], r.sinks[c.Name], r.send[c.Name] = p, k, p.Sender()
	return p
}

// frame makes a frame of 60 bytes; tag below 0 is none.
func frame(dst, src MAC, tag int) []byte {
	f := append(append([]byte{}, dst[:]...), src[:]...)
	if tag >= 0 {
		f = append(f, 0x81, 0)
		f = binary.BigEndian.AppendUint16(f, uint16(tag))
	}
	f = append(f, 0x88, 0xb5)
	for len(f) < 60 {
		f = append(f, byte(len(f)))
	}
	return f
}

func tagOf(f []byte) int {
	if binary.BigEndian.Uint16(f[12:]) != typeVLAN {
		return -1
	}
	return int(binary.BigEndian.Uint16(f[14:]))
}

// got says who received what since the last time, as "a b/5": b's with tag 5.
func (r *rig) got() string {
	var list []string
	for name, k := range r.sinks {
		frames, _ := k.take()
		for _, f := range frames {
			if tag := tagOf(f); tag >= 0 {
				list = append(list, fmt.Sprintf("%s/%d", name, tag))
			} else {
				list = append(list, name)
			}
		}
	}
	sort.Strings(list)
	return strings.Join(list, " ")
}

func (r *rig) from(port string, f []byte) { r.send[port].Send([]Packet{{Data: [][]byte{f}}}) }

// dropped lists the drop counters that are not zero.
func dropped(p *Port) string {
	var list []string
	for i, n := range p.Stats().Drops {
		if n > 0 {
			list = append(list, fmt.Sprintf("%v=%d", Drop(i), n))
		}
	}
	return strings.Join(list, " ")
}
