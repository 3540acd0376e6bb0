package rtc

import "time"

// pack turns a value into the format of register B.
func (r *RTC) pack(v int) uint8 {
	if r.cells[RegB]&bDM != 0 {
		return uint8(v)
	}
	return uint8(v/10%10<<4 | v%10)
}

func (r *RTC) unpack(v uint8) int {
	if r.cells[RegB]&bDM != 0 {
		return int(v)
	}
	return int(v>>4)*10 + int(v&15)
}

// packHour and unpackHour know the 12-hour format: bit 7 is PM.
func (r *RTC) packHour(h int) uint8 {
	if r.cells[RegB]&b24 != 0 {
		return r.pack(h)
	}
	pm := uint8(0)
	if h >= 12 {
		pm = 0x80
	}
	if h %= 12; h == 0 {
		h = 12
	}
	return r.pack(h) | pm
}

func (r *RTC) unpackHour(v uint8) int {
	if r.cells[RegB]&b24 != 0 {
		return r.unpack(v)
	}
	h := r.unpack(v & 0x7F)
	if h == 12 {
		h = 0
	}
	if v&0x80 != 0 {
		h += 12
	}
	return h
}

// running says whether the time advances.
func (r *RTC) running() bool {
	return r.cells[RegB]&bSET == 0 && r.cells[RegA]&aDivMask == aDivNormal
}

// wall is the guest's time of day in nanoseconds since 1970 at a time of the
// VM's clock.
func (r *RTC) wall(now int64) int64 { return r.offset + now }

// showTime puts the time of day into the cells, if it is running.
func (r *RTC) showTime(now int64) {
	if !r.running() {
		return
	}
	t := time.Unix(0, r.wall(now)).UTC()
	r.cells[Seconds] = r.pack(t.Second())
	r.cells[Minutes] = r.pack(t.Minute())
	r.cells[Hours] = r.packHour(t.Hour())
	r.cells[DayOfWeek] = r.pack(int(t.Weekday()) + 1)
	r.cells[DayOfMonth] = r.pack(t.Day())
	r.cells[Month] = r.pack(int(t.Month()))
	r.cells[Year] = r.pack(t.Year() % 100)
	r.cells[Century] = r.pack(t.Year() / 100)
}

// takeTime makes the cells the time of day; the fraction of the second stays.
// Values that are no date are normalised, as time.Date does; years outside 1970
// to 2115 are clamped: the offset is in nanoseconds, in 62 bits.
func (r *RTC) takeTime(now int64) {
	year := r.unpack(r.cells[Century])*100 + r.unpack(r.cells[Year])
	t := time.Date(min(max(year, 1970), 2115), time.Month(r.unpack(r.cells[Month])), r.unpack(r.cells[DayOfMonth]),
		r.unpackHour(r.cells[Hours]), r.unpack(r.cells[Minutes]), r.unpack(r.cells[Seconds]), 0, time.UTC)
	sec := min(max(t.Unix(), 0), (1<<62-1)/second-1)
	fraction := r.wall(now) % second
	r.offset = sec*second + fraction - now
}

// alarmMatch: an alarm register matches a value, or any when its two upper bits
// are set.
func alarmMatch(reg, v uint8) bool { return reg&anyTime == anyTime || reg == v }

// nextAlarm is the first wall second at or after from that the alarm matches,
// within a day; ok is false when it never does. That every field matches some
// value is checked first, so that a hostile alarm costs no search: then only the
// first hour and the first minute can be searched in vain.
func (r *RTC) nextAlarm(from int64) (at int64, ok bool) {
	if !matchesAny(r.cells[MinutesAlarm], 60, r.pack) || !matchesAny(r.cells[SecondsAlarm], 60, r.pack) {
		return 0, false
	}
	day := from - from%86400
	s := from % 86400
	for range 2 * 24 {
		h := s / 3600
		if alarmMatch(r.cells[HoursAlarm], r.packHour(int(h%24))) {
			if m, found := r.alarmInHour(s % 3600); found {
				return day + h*3600 + m, true
			}
		}
		s = (h + 1) * 3600
	}
	return 0, false
}

// matchesAny says whether an alarm register matches any value below n.
func matchesAny(reg uint8, n int, pack func(int) uint8) bool {
	for v := range n {
		if alarmMatch(reg, pack(v)) {
			return true
		}
	}
	return false
}

// alarmInHour is the first second of an hour at or after from that matches.
func (r *RTC) alarmInHour(from int64) (at int64, ok bool) {
	for m := from / 60; m < 60; m++ {
		if !alarmMatch(r.cells[MinutesAlarm], r.pack(int(m))) {
			continue
		}
		for s := max(from-m*60, 0); s < 60; s++ {
			if alarmMatch(r.cells[SecondsAlarm], r.pack(int(s))) {
				return m*60 + s, true
			}
		}
		from = 0
	}
	return 0, false
}
