package hpet

// timer is one comparator. Times are in ticks of the VM's clock, which never stop
// short of a pause, unlike the main counter.
type timer struct {
	config  uint64 // tnWritable bits
	compare uint64
	period  uint64
	due     int64 // the tick of the next match, or never
	high    bool  // edge mode: the pin since the last match
}

func (t *timer) mask() uint64 {
	if t.config&tn32 != 0 {
		return 1<<32 - 1
	}
	return ^uint64(0)
}

func (t *timer) on(bit uint64) bool { return t.config&bit != 0 }

// schedule computes the next match for a counter that runs and has value c at tick
// now. passed says that the match at this very tick has been.
func (t *timer) schedule(now int64, c uint64, passed bool) {
	d := (t.compare - c) & t.mask()
	if d == 0 && passed {
		d = t.mask() // and one: all the way round
		if d != ^uint64(0) {
			d++
		}
	}
	t.due = never
	if d < maxDistance {
		t.due = now + int64(d)
	}
}

// match moves the comparator past tick now; it says whether it matched, however often.
func (t *timer) match(now int64) bool {
	if t.due == never || now < t.due {
		return false
	}
	step := t.period & t.mask()
	switch {
	case t.on(tnPeriodic) && step != 0:
		if step >= maxDistance {
			t.compare += step
			t.due = never
			break
		}
		n := (now-t.due)/int64(step) + 1
		t.compare = (t.compare + uint64(n)*step) & t.mask()
		t.due += n * int64(step)
	case t.on(tn32):
		t.due += ((now-t.due)>>32 + 1) << 32 // 2.3.9.2.1: again when the counter wraps
	default:
		t.due = never
	}
	return true
}
