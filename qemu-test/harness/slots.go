package harness

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// Slots is how many emulators run on one computer at once, all users of this
// package together.
const Slots = 2

// takeSlot waits for a place and gives what frees it. The places are file locks,
// so a user that dies frees its own.
func takeSlot(ctx context.Context) (func(), error) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		for i := range Slots {
			f, err := os.OpenFile(filepath.Join(os.TempDir(), "basalt-emulator-"+strconv.Itoa(i)+".slot"), os.O_CREATE|os.O_RDWR, 0o666)
			if err != nil {
				return nil, err
			}
			if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
				return func() { f.Close() }, nil
			}
			f.Close()
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-tick.C:
		}
	}
}
