package vm

const (
	maxDebugLine  = 200
	maxDebugLines = 1000
)

// debugLog turns what a guest writes to the debug port into lines of the host's
// log, bounded. The device serialises the calls.
type debugLog struct {
	log   func(string)
	line  []byte
	lines int
}

func (d *debugLog) Write(p []byte) (int, error) {
	for _, c := range p {
		if c != '\n' {
			if c < ' ' || c > '~' {
				c = '.'
			}
			if d.line = append(d.line, c); len(d.line) < maxDebugLine {
				continue
			}
		}
		if d.lines < maxDebugLines {
			d.lines++
			d.log(string(d.line))
		}
		d.line = d.line[:0]
	}
	return len(p), nil
}

// power is what the power management device and the keyboard controller do to
// the machine.
type power struct{ ask func(request) }

func (p power) PowerOff() { p.ask(reqPowerOff) }
func (p power) Reset()    { p.ask(reqReset) }
