package cpusched

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
)

// Random hosts: the simulator checks that no virtual CPU runs twice and that times
// add up; here nobody who may run starves.
func TestRandomHosts(t *testing.T) {
	worst := int64(0)
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		cpus := []int{1, 2, 3, 4, 8, 64}[r.IntN(6)]
		m := newSim(t, cpus, Spec{Reservation: int64(r.IntN(200))})
		groups := []ID{m.s.Agent()}
		parents := []ID{m.s.Root()}
		for i := range 2 + r.IntN(8) {
			spec := Spec{Shares: 500 + r.Int64N(3000)}
			if r.IntN(4) == 0 {
				spec.Limit = 200 + r.Int64N(2000)
			}
			if r.IntN(4) == 0 {
				spec.Reservation = r.Int64N(200)
			}
			parent := parents[r.IntN(len(parents))]
			if r.IntN(3) == 0 {
				if id, err := m.s.AddPool(parent, fmt.Sprint("pool", i), spec); err == nil {
					parents = append(parents, id)
				}
			} else if id, err := m.s.AddVM(parent, fmt.Sprint("vm", i), spec); err == nil {
				groups = append(groups, id)
			}
		}
		some := func() {
			burst, pause := int64(0), int64(0)
			if r.IntN(2) == 0 {
				burst, pause = 1+r.Int64N(20*ms), r.Int64N(20*ms)
			}
			m.add(groups[r.IntN(len(groups))], uint64(r.IntN(2))*r.Uint64()&m.s.all, burst, pause)
		}
		for range 2 + r.IntN(3*cpus) {
			some()
		}
		for range 40 {
			m.run(50 * ms)
			switch r.IntN(6) {
			case 0:
				some()
			case 1:
				m.remove(m.tasks[r.IntN(len(m.tasks))])
			case 2:
				// Whether this is admitted does not matter.
				_ = m.s.Set(groups[r.IntN(len(groups))], m.now, Spec{Shares: 500 + r.Int64N(3000), Limit: r.Int64N(3) * 700})
			}
			if len(m.tasks) == 0 {
				some()
			}
		}
		for _, k := range m.tasks {
			gap := k.longestGap
			if _, state := m.s.Times(k.id, m.now); state == Ready || state == CoStopped {
				gap = max(gap, m.now-k.wantedSince)
			}
			worst = max(worst, gap)
			if gap > 1500*ms {
				t.Errorf("seed %d: %v waited %d ms", seed, k.id, gap/ms)
			}
		}
	}
	t.Logf("nobody waited more than %d ms", worst/ms)
}

// Machines that are put from pool to pool all the time: every sum stays right, and
// nobody starves.
func TestRandomMoves(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 3))
		m := newSim(t, 1+r.IntN(4), Spec{})
		pools := []ID{m.s.Root()}
		for i := range 4 {
			pools = append(pools, m.pool(pools[r.IntN(len(pools))], fmt.Sprint("pool", i), Spec{Shares: 500 + r.Int64N(1000)}))
		}
		var vms []ID
		for i := range 5 {
			id := must(t)(m.s.AddVM(pools[r.IntN(len(pools))], fmt.Sprint("vm", i), Spec{}))
			m.add(id, 0, 0, 0)
			m.add(id, 0, 1+r.Int64N(20*ms), r.Int64N(20*ms))
			vms = append(vms, id)
		}
		for range 100 {
			m.run(20 * ms)
			if err := m.s.Move(vms[r.IntN(len(vms))], m.now, pools[r.IntN(len(pools))], Spec{Shares: 500 + r.Int64N(1000)}); err != nil {
				t.Fatal(err)
			}
			consistent(t, m.s)
		}
		for _, k := range m.tasks {
			if k.longestGap > 500*ms {
				t.Errorf("seed %d: %v waited %d ms", seed, k.id, k.longestGap/ms)
			}
		}
	}
}

// The same calls give the same decisions.
func TestDeterministic(t *testing.T) {
	var want []int64
	for range 2 {
		m := newSim(t, 3, Spec{})
		for i := range 5 {
			m.add(m.vm(m.s.Root(), fmt.Sprint(i), 2, Spec{Shares: int64(i + 1)}), 0, 3*ms, 2*ms)
		}
		m.run(1000 * ms)
		var got []int64
		for _, k := range m.tasks {
			times, _ := m.s.Times(k.id, m.now)
			got = append(got, times.Run, times.Ready, times.Wait, times.CoStop)
		}
		if want != nil && fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%v\n%v", got, want)
		}
		want = got
	}
}

// FuzzEvents makes calls from bytes, with times that jump and IDs that do not exist.
// Nothing panics and every sum stays right.
func FuzzEvents(f *testing.F) {
	f.Add([]byte("0123456789abcdefghijklmnopqrstuvwxyz0123456789"))
	r := rand.New(rand.NewPCG(1, 2))
	for range 8 {
		b := make([]byte, 900)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := New(Config{CPUs: 3, Nodes: 24, Agent: Spec{Reservation: 100}})
		if err != nil {
			t.Fatal(err)
		}
		ids := []ID{None, s.Root(), s.Agent()}
		keep := func(id ID, err error) {
			if err == nil {
				ids = append(ids, id)
			}
		}
		now, born := int64(0), map[ID]int64{}
		for len(b) >= 6 {
			op, who, x, y, z := b[0], b[1], int64(b[2]), int64(b[3]), int64(b[4])
			id := ids[int(who)%len(ids)]
			switch b[5] >> 5 {
			case 0:
				now -= x * ms
			case 1:
				now = int64(binary.LittleEndian.Uint64([]byte{op, who, b[2], b[3], b[4], b[5], b[2], b[3]}))
			case 2:
				id = ID(x<<16 | y)
			default:
				now += x * ms / 16
			}
			b = b[6:]
			switch op % 15 {
			case 0:
				keep(s.AddPool(id, "p", Spec{x * y, z * 10, y * 20}))
			case 1:
				keep(s.AddVM(id, "v", Spec{x * y, z, y * 4}))
			case 2:
				if v, err := s.AddVCPU(id, uint64(z), now); err == nil {
					ids = append(ids, v)
					born[v] = s.now
				}
			case 3:
				// An error is as good as a change here.
				_ = s.Set(id, now, Spec{x * y, z, y * 8})
			case 4:
				if s.Remove(id, now) == nil {
					delete(born, id)
				}
			case 5:
				_ = s.SetAffinity(id, now, uint64(z))
			case 6:
				if x&1 == 0 {
					s.Slept(id, now, x*y*z*100-ms)
				} else {
					s.Ran(id, now, x*y*z*100-ms)
				}
			case 7:
				s.Block(id, now)
			case 8, 9:
				s.Wake(id, now)
			case 10:
				// Whether it is allowed does not matter.
				_ = s.Move(id, now, ids[int(x)%len(ids)], Spec{y * z, z, y * 8})
			default:
				cpu := int(x%5) - 1
				d := s.Pick(cpu, now)
				if d.Slice < 0 || d.VCPU != None && d.Slice == 0 {
					t.Fatalf("%+v", d)
				}
			}
			s.Kicks()
			consistent(t, s)
			for v, at := range born {
				if sum, _ := s.Times(v, now); sum.Run+sum.Ready+sum.Wait+sum.CoStop != s.now-at {
					t.Fatalf("%+v is not %d", sum, s.now-at)
				}
			}
		}
	})
}
