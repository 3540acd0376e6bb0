package vcpu

// TaskPriority may be implemented by a Fast: then MOV to and from CR8 runs
// without an exit where the hardware can, and the engine carries the value.
// World W1, like Fast.
type TaskPriority interface {
	// TaskPriority is CR8: the priority class 0 to 15.
	TaskPriority() uint8
	// SetTaskPriority says that the guest has changed CR8.
	SetTaskPriority(class uint8)
}
