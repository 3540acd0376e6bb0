package pmem

// FreeHuge finds Huge bytes, aligned, in which every frame is free: the highest, because
// other frames are taken from below at first. Nobody is kept from taking some of it: who
// wants all asks for each by AllocLargeAt.
func FreeHuge() (pa uint64, ok bool) {
	const blocks = Huge / Large
	for end := s.n / blocks * blocks; end > 0; end -= blocks {
		on := lock() // for one run: the whole table takes too long with interrupts off
		whole := true
		for i := end - blocks; i < end && whole; i++ {
			whole = at(i).free == framesPerBlock
		}
		unlock(on)
		if whole {
			return uint64(end-blocks) * Large, true
		}
	}
	return 0, false
}

// AllocLargeAt takes the zeroed 2 MiB frame at pa, if it is free. It leaves the reserve
// alone.
func AllocLargeAt(pa uint64) bool {
	if pa%Large != 0 || pa/Large >= uint64(s.n) {
		return false
	}
	i := uint32(pa / Large)
	on := lock()
	if at(i).free != framesPerBlock || refuse(framesPerBlock) {
		unlock(on)
		return false
	}
	takeAll(i)
	unlock(on)
	clearLarge(Virt(pa))
	return true
}
