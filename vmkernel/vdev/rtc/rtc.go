package rtc

import (
	"sync"

	"basalt/vmkernel/vbus"
)

// Config is what the machine tells the guest in CMOS.
type Config struct {
	Wall      int64  // nanoseconds since 1970 (UTC) when the VM's clock stands at 0
	MemBelow4 uint64 // bytes of memory below 4 GiB, the first MiB included
	MemAbove4 uint64 // bytes above
	CPUs      int
}

// RTC is the clock. Safe for any goroutine.
type RTC struct {
	clock vbus.Clock
	irq   vbus.Line
	cfg   Config
	timer vbus.Timer

	mu     sync.Mutex
	cells  [256]uint8 // RegC without IRQF; the clock cells are stale while it runs
	index  uint8
	index2 uint8
	offset int64 // wall time minus VM clock, nanoseconds
	seen   int64 // flags are computed up to this time of the VM's clock
}

var (
	_ vbus.Device   = (*RTC)(nil)
	_ vbus.PortIO   = (*RTC)(nil)
	_ vbus.Stateful = (*RTC)(nil)
)

// New makes the clock; irq is interrupt line 8.
func New(clock vbus.Clock, irq vbus.Line, cfg Config) *RTC {
	r := &RTC{clock: clock, irq: irq, cfg: cfg, offset: min(max(cfg.Wall, 0), 1<<62-1)}
	r.timer = clock.NewTimer(r.expired)
	r.cells[RegA] = aDivNormal | 6 // 1024 Hz, as firmware leaves it
	r.cells[RegB] = b24
	r.cells[RegD] = dVRT
	r.fill()
	r.Reset()
	return r
}

// fill writes the cells that firmware would.
func (r *RTC) fill() {
	put := func(i uint8, v uint64) { r.cells[i], r.cells[i+1] = uint8(v), uint8(v>>8) }
	const mib = 1 << 20
	put(0x15, 640)
	ext := uint64(0)
	if r.cfg.MemBelow4 > mib {
		ext = min((r.cfg.MemBelow4-mib)>>10, 0xFFFF)
	}
	put(0x17, ext)
	put(0x30, ext)
	if r.cfg.MemBelow4 > 16*mib {
		put(0x34, min((r.cfg.MemBelow4-16*mib)>>16, 0xFFFF))
	}
	above := min(r.cfg.MemAbove4>>16, 0xFFFFFF)
	put(0x5B, above)
	r.cells[0x5D] = uint8(above >> 16)
	r.cells[0x5F] = uint8(max(r.cfg.CPUs-1, 0))
	r.cells[Equipment] = 0x06 // coprocessor, no floppy
}

// Name implements vbus.Device.
func (r *RTC) Name() string { return "rtc" }

// Reset is the RESET pin: interrupts off, flags clear; time and memory stay.
func (r *RTC) Reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.clock.Now()
	r.catchUp(now)
	r.cells[RegB] &^= bIRQs | 0x08
	r.cells[RegC] = 0
	r.index, r.index2 = 0, 0x80
	r.update(now)
}

// Adjust moves the time of day by d nanoseconds, for a host that paused the VM
// and wants its clock to follow.
func (r *RTC) Adjust(d int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.clock.Now()
	r.catchUp(now)
	if to := r.wall(now)/2 + d/2; to > 0 && to < 1<<61 && r.offset+d < 1<<62 {
		r.offset += d
	}
	r.update(now)
}

// period is the time between two periodic interrupts in nanoseconds times
// 32768, or 0 for none.
func (r *RTC) period() int64 {
	rate := r.cells[RegA] & aRate
	switch {
	case rate == 0 || r.cells[RegA]&aDivMask != aDivNormal:
		return 0
	case rate <= 2:
		rate += 7
	}
	return second << (rate - 1)
}

// beats is the number of periods of p that have passed at a time.
func beats(now, p int64) int64 {
	s, f := now/second, now%second
	per := (second << 15) / p // beats a second, a power of two
	return s*per + f*per/second
}

// beatTime is the first nanosecond of beat n.
func beatTime(n, p int64) int64 {
	per := (second << 15) / p
	return n/per*second + (n%per*second+per-1)/per
}

// catchUp sets the flags for what happened since the last look.
func (r *RTC) catchUp(now int64) {
	if now <= r.seen {
		return
	}
	if p := r.period(); p != 0 && beats(now, p) > beats(r.seen, p) {
		r.cells[RegC] |= cPF
	}
	if r.running() {
		from, to := r.wall(r.seen)/second, r.wall(now)/second
		if to > from {
			r.cells[RegC] |= cUF
			if r.cells[RegC]&cAF == 0 {
				if at, ok := r.nextAlarm(from + 1); ok && at <= to {
					r.cells[RegC] |= cAF
				}
			}
		}
	}
	r.seen = now
}

// irqf says whether the interrupt is requested.
func (r *RTC) irqf() bool { return r.cells[RegC]&r.cells[RegB]&bIRQs != 0 }

// update sets the line, and the timer for the next enabled flag that is clear.
func (r *RTC) update(now int64) {
	r.irq.Set(r.irqf())
	want := r.cells[RegB] &^ r.cells[RegC] & bIRQs
	next := int64(1<<63 - 1)
	if p := r.period(); want&bPIE != 0 && p != 0 {
		next = beatTime(beats(now, p)+1, p)
	}
	if r.running() {
		wall := r.wall(now)
		toSecond := now + second - wall%second
		if want&bUIE != 0 {
			next = min(next, toSecond)
		}
		if want&bAIE != 0 {
			if at, ok := r.nextAlarm(wall/second + 1); ok {
				next = min(next, toSecond+(at-wall/second-1)*second)
			}
		}
	}
	if next == 1<<63-1 {
		r.timer.Stop()
	} else {
		r.timer.Arm(next)
	}
}

func (r *RTC) expired() {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.clock.Now()
	r.catchUp(now)
	r.update(now)
}

// ReadPort implements vbus.PortIO.
func (r *RTC) ReadPort(port uint16, data []byte) vbus.Access {
	if len(data) != 1 {
		return vbus.BadSize
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch port {
	case DataPort:
		data[0] = r.read(r.index)
	case DataPort2:
		data[0] = r.read(r.index2)
	case IndexPort2:
		data[0] = r.index2
	default:
		return vbus.NoRegister // 0x70 is write-only
	}
	return vbus.OK
}

func (r *RTC) read(i uint8) uint8 {
	now := r.clock.Now()
	switch {
	case i <= Year && i&1 == 0 || i >= DayOfWeek && i <= Year || i == Century:
		r.showTime(now)
		return r.cells[i]
	case i == RegA:
		v := r.cells[RegA]
		if r.running() && second-r.wall(now)%second <= uipTime {
			v |= aUIP
		}
		return v
	case i == RegC:
		r.catchUp(now)
		v := r.cells[RegC]
		if r.irqf() {
			v |= cIRQF
		}
		r.cells[RegC] = 0
		r.update(now)
		return v
	}
	return r.cells[i]
}

// WritePort implements vbus.PortIO.
func (r *RTC) WritePort(port uint16, data []byte) vbus.Access {
	if len(data) != 1 {
		return vbus.BadSize
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch port {
	case IndexPort:
		r.index = data[0] & 0x7F
	case DataPort:
		r.write(r.index, data[0])
	case IndexPort2:
		r.index2 = data[0] | 0x80
	case DataPort2:
		r.write(r.index2, data[0])
	default:
		return vbus.NoRegister
	}
	return vbus.OK
}

func (r *RTC) write(i, v uint8) {
	now := r.clock.Now()
	r.catchUp(now)
	switch i {
	case SecondsAlarm, MinutesAlarm, HoursAlarm:
		r.cells[i] = v
	case Seconds, Minutes, Hours, DayOfWeek, DayOfMonth, Month, Year, Century:
		r.showTime(now)
		r.cells[i] = v
		if r.running() {
			r.takeTime(now)
		}
	case RegA:
		r.whileStopped(now, func() { r.cells[RegA] = v &^ aUIP })
	case RegB:
		if v&bSET != 0 {
			v &^= bUIE // SET clears UIE
		}
		r.whileStopped(now, func() { r.cells[RegB] = v })
	case RegC, RegD:
		return
	default:
		r.cells[i] = v
		return
	}
	r.update(now)
}

// whileStopped makes a change of A or B that may stop or start the clock, or
// change the format: the cells hold the time meanwhile.
func (r *RTC) whileStopped(now int64, change func()) {
	was := r.running()
	r.showTime(now)
	change()
	switch {
	case !was && r.running():
		r.takeTime(now)
	case was && r.running():
		r.showTime(now) // the format may have changed
	}
}
