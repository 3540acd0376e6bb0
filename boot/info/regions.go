package info

// maxPhysical is the end of what a memory map may describe: 52 address bits.
const maxPhysical = 1 << 52

// addRegion enters size bytes at start into the map. Impossible bounds are
// flagged and ignored, an empty region is ignored.
func (f *Facts) addRegion(start, size uint64, k Kind) {
	if size == 0 {
		return
	}
	if start >= maxPhysical || size > maxPhysical-start {
		f.Flags |= BadRegion
		return
	}
	f.paint(start, start+size, k)
}

// paint enters [start, end), which is not empty. i is the first region that
// ends behind start; what lies before it is settled.
func (f *Facts) paint(start, end uint64, k Kind) {
	i := 0
	for i < f.NumRegions && f.Regions[i].End <= start {
		i++
	}
	for start < end {
		if i == f.NumRegions || f.Regions[i].Start >= end { // the rest touches nothing
			f.insert(i, Region{start, end, k})
			break
		}
		r := &f.Regions[i]
		if start < r.Start { // the part before r
			if f.insert(i, Region{start, r.Start, k}) {
				i++
				r = &f.Regions[i]
			}
			start = r.Start
		}
		stop := min(end, r.End) // [start, stop) is in r
		if k > r.Kind {
			if r.Start < start && f.insert(i, Region{r.Start, start, r.Kind}) {
				i++
				r = &f.Regions[i]
				r.Start = start
			}
			if stop < r.End && f.insert(i+1, Region{stop, r.End, r.Kind}) {
				r = &f.Regions[i]
				r.End = stop
			}
			// Where a split found no room, all of r turns restrictive.
			r.Kind = k
			stop = max(stop, r.End)
		}
		start = min(stop, end)
		i++
	}
	f.merge()
}

// insert puts r at index i, or flags that there is no room. From then on no
// region is inserted any more, even if merging made room again: the region
// that was lost may have been one that forbids the next.
func (f *Facts) insert(i int, r Region) bool {
	if f.NumRegions == MaxRegions || f.Flags&TruncatedRegions != 0 {
		f.Flags |= TruncatedRegions
		return false
	}
	for j := f.NumRegions; j > i; j-- {
		f.Regions[j] = f.Regions[j-1]
	}
	f.Regions[i] = r
	f.NumRegions++
	return true
}

// merge joins touching neighbours of one kind.
func (f *Facts) merge() {
	n := 0
	for i := 0; i < f.NumRegions; i++ {
		r := f.Regions[i]
		if n > 0 && f.Regions[n-1].Kind == r.Kind && f.Regions[n-1].End == r.Start {
			f.Regions[n-1].End = r.End
			continue
		}
		f.Regions[n] = r
		n++
	}
	f.NumRegions = n
}

// e820Kind translates the types that PVH and multiboot2 share.
func e820Kind(t uint32) Kind {
	switch t {
	case 1:
		return Usable
	case 3:
		return ACPIReclaimable
	case 4:
		return ACPINVS
	case 5:
		return Defective
	case 7:
		return Persistent
	}
	return Reserved
}

// finish is what every parser ends with.
func (f *Facts) finish(haveMap bool) Problem {
	if !haveMap {
		return ErrNoMemoryMap
	}
	if f.UsableBytes() == 0 {
		return ErrNoMemory
	}
	return None
}
