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
	err := syscall.Reboot(syscall.LINUX_REBOOT_CMD_POWER_OFF)
	fmt.Println("bench: power off:", err)
	os.Exit(1)
}
