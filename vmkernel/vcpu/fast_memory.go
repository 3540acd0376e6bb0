package vcpu

// Quick is how Emulator.Quick ended.
type Quick uint8

// The ends.
const (
	QuickUnknown Quick = iota // nothing has happened: ordinary Go has to look
	QuickRefused              // the same, and the device answers there in ordinary Go only
	QuickDone                 // RIP is behind the instruction
	QuickSilent               // the same, and no interrupt has become pending by it
)

// slowPages are pages whose device does not answer in W1, so that nothing is tried for
// them: direct mapped, bit 0 for writes, 0 for nothing. An entry that is out of date
// costs time only.
type slowPages [8]uint64

// fastMemory is an access to a device: a doorbell, the local APIC's page, a read of the
// I/O APIC or where nothing is.
func (v *VCPU) fastMemory(x *Exit) Verdict {
	m := &x.Mem
	key := m.GPA>>12<<1 + 2
	if m.Write {
		key++
	}
	slow := &v.slow[m.GPA>>12&7]
	if *slow == key || m.Fetch || m.PageWalk || v.Fast == nil {
		return Return
	}
	if v.pv.eoiOffered {
		v.pvSyncEOI()
	}
	v.mode, v.full = false, false
	switch v.Emul.Quick(v, x, v.Fast) {
	case QuickSilent:
		return ResumeQuiet
	case QuickDone:
		if v.APIC.HasEvents() {
			v.eng.Kick() // an NMI or INIT to itself: the sender is not kicked
		}
		return Resume
	case QuickRefused:
		*slow = key
	}
	return Return
}
