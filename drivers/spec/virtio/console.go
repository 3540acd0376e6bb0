package virtio

// Console device, section 5.3.
const (
	ConsoleFSize       = 0
	ConsoleFMultiport  = 1
	ConsoleFEmergWrite = 2

	// Configuration, section 5.3.4.
	ConsoleCols     = 0x0 // 16 bits
	ConsoleRows     = 0x2 // 16 bits
	ConsoleMaxPorts = 0x4 // 32 bits
	ConsoleEmergWr  = 0x8 // 32 bits
	ConsoleCfgSize  = 0xc

	// Queues of port 0 and of control; those of port n begin at 2+2*n for n > 0.
	ConsoleQueueRx        = 0
	ConsoleQueueTx        = 1
	ConsoleQueueControlRx = 2
	ConsoleQueueControlTx = 3

	// Control messages, section 5.3.6.2.
	ConsoleControlID    = 0 // 32 bits
	ConsoleControlEvent = 4 // 16 bits
	ConsoleControlValue = 6 // 16 bits
	ConsoleControlSize  = 8

	ConsoleDeviceReady  = 0
	ConsoleDeviceAdd    = 1
	ConsoleDeviceRemove = 2
	ConsolePortReady    = 3
	ConsoleConsolePort  = 4
	ConsoleResize       = 5
	ConsolePortOpen     = 6
	ConsolePortName     = 7
)
