// Command poweroff is the only program of a guest's initramfs: it says that user
// space runs and switches the machine off.
package main

import (
	"fmt"
	"os"
	"syscall"
)

func main() {
	fmt.Println("bench: user space runs")
	// tcdrain(3): the line is out before the machine is off.
	const tcsbrk = 0x5409
	syscall.Syscall(syscall.SYS_IOCTL, 1, tcsbrk, 1)
	err := syscall.Reboot(syscall.LINUX_REBOOT_CMD_POWER_OFF)
	fmt.Println("bench: power off:", err)
	os.Exit(1)
}
