package cpusched

// State is what a virtual CPU does.
type State uint8

// The states. Ready wants a processor; CoStopped could have one, but waits for a
// sibling that had too little.
const (
	Waiting State = iota
	Ready
	Running
	CoStopped
)

func (s State) String() string {
	return [...]string{"waiting", "ready", "running", "co-stopped"}[s&3]
}

// Times are where the ticks of a virtual CPU went since it was added. Their sum is
// the time since then, exactly. The names are those of esxtop; time kept off a
// processor by a limit is in Ready, as %RDY has %MLMTD in it.
type Times struct{ Run, Ready, Wait, CoStop int64 }

// Times gives the times of v, with the state that lasts, and that state. A processor
// that was not yet asked for counts as run. now is in ticks; an unknown v has no
// times.
func (s *Scheduler) Times(v ID, now int64) (Times, State) {
	s.advance(now)
	i := s.vcpuAt(v)
	if i == nobody {
		return Times{}, Waiting
	}
	n := &s.nodes[i]
	t := n.times
	t.add(n.state, s.now-n.since)
	return t, n.state
}

// Stolen is for how many ticks v wanted to run and could not, without a state that
// lasts: 0 for an unknown v. Nobody can change what it reads while v runs or waits for
// an event, so whoever runs v needs no lock for it.
func (s *Scheduler) Stolen(v ID) int64 {
	i := s.vcpuAt(v)
	if i == nobody {
		return 0
	}
	t := &s.nodes[i].times
	return t.Ready + t.CoStop
}

func (t *Times) add(in State, d int64) {
	switch in {
	case Waiting:
		t.Wait += d
	case Ready:
		t.Ready += d
	case Running:
		t.Run += d
	case CoStopped:
		t.CoStop += d
	}
}

// enter ends the state of i and begins another.
func (s *Scheduler) enter(i int32, to State) {
	n := &s.nodes[i]
	n.times.add(n.state, s.now-n.since)
	n.state, n.since = to, s.now
}
