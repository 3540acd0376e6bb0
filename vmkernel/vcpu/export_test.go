package vcpu

// Handle runs one exit as Run would and brings the result into the engine.
func (v *VCPU) Handle(x *Exit) {
	v.x = *x
	v.handle()
	if s := v.enter(); s.Kind != StopNone {
		panic(s.Reason)
	}
}
