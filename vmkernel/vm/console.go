package vm

import (
	"fmt"

	"basalt/vmkernel/host"
	"basalt/vmkernel/vdev/virtio/console"
)

// consoles are what stands behind a machine's serial ports, the console first, and
// behind the ports of its virtio console, by name; for its life.
type consoles struct {
	com  [host.NumSerial]*host.Console
	port map[string]*host.Console
}

func newConsoles(c host.Config) (s consoles) {
	s.com[0] = host.NewConsole()
	for i := 1; i < len(s.com); i++ {
		s.com[i] = host.NewSerial()
	}
	s.port = make(map[string]*host.Console, len(c.Consoles))
	for _, p := range c.Consoles {
		s.port[p.Name] = host.NewSerial()
	}
	return s
}

// connect gives input to the board's ports: it may come at once, and its interrupt kicks
// a processor.
func (s *consoles) connect(b *board) {
	for i, c := range s.com {
		c.OnInput(b.uarts[i].InputReady)
	}
	for i, name := range b.consoles {
		s.port[name].OnInput(func() { b.console.InputReady(i) })
	}
}

// disconnect lets input wait.
func (s *consoles) disconnect() { s.each(func(c *host.Console) { c.OnInput(nil) }) }

func (s *consoles) close() { s.each((*host.Console).Close) }

func (s *consoles) each(f func(*host.Console)) {
	for _, c := range s.com {
		f(c)
	}
	for _, c := range s.port {
		f(c)
	}
}

// addConsole gives the machine a virtio console for its life, if it is to have ports.
// Somebody is always at the host's end of a port: what the guest writes is kept.
func (b *board) addConsole(p *Platform, c host.Config, behind *consoles) error {
	if len(c.Consoles) == 0 {
		return nil
	}
	ports := make([]console.Port, 0, len(c.Consoles))
	for _, p := range c.Consoles {
		ports = append(ports, console.Port{Name: p.Name, Console: p.Terminal, Backend: behind.port[p.Name]})
		b.consoles = append(b.consoles, p.Name)
	}
	dev, err := console.New(console.Config{Name: "console", Memory: b.mem, Ports: ports, NewBell: p.NewBell})
	if err != nil {
		return fmt.Errorf("console: %w", err)
	}
	b.console = dev
	return b.plug(&plugged{kind: "console", slot: onBus0, f: dev})
}
