package virtio_test

import (
	"testing"

	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/vbus"
)

func Test_4_1_3_1_Widths(t *testing.T) {
	r := newRig(t)
	r.Write(r.Common+spec.QueueDesc+4, 4, 0x89)
	r.Write(r.Common+spec.QueueDesc, 4, 0x12345670)
	want(t, "low half", r.reg(spec.QueueDesc, 4), 0x12345670)
	want(t, "high half", r.reg(spec.QueueDesc+4, 4), 0x89)
	data := make([]byte, 8)
	for off := range uint64(spec.CommonCfgFullSize + 8) {
		for _, n := range []int{1, 2, 3, 4, 8} {
			before := r.Status()
			read, write := r.dev.ReadBAR(0, off, data[:n]), r.dev.WriteBAR(0, off, data[:n])
			if read != write || (n == 3 || n == 8) && read == vbus.OK {
				t.Errorf("%d bytes at %#x: read %d, write %d", n, off, read, write)
			}
			if read != vbus.OK {
				want(t, "status", r.Status(), before)
			}
		}
	}
}

func Test_4_1_4_3_1_FeatureWords(t *testing.T) {
	r := newRig(t)
	want(t, "offered", r.Offered(), r.dev.Offered())
	for _, i := range []uint64{2, 3, 0xffffffff} {
		r.Write(r.Common+spec.DeviceFeatureSelect, 4, i)
		want(t, "word", r.reg(spec.DeviceFeature, 4), 0)
	}
	if r.dev.Offered()>>spec.FVersion1&1 == 0 { // 6.2
		t.Error("VERSION_1 is not offered")
	}
}

func Test_4_1_4_3_1_QueueSizeIsZeroForQueuesThatAreNot(t *testing.T) {
	r := newRig(t)
	for _, i := range []int{2, 3, 65535} {
		r.sel(i)
		want(t, "queue_size", r.reg(spec.QueueSize, 2), 0)
		want(t, "queue_enable", r.reg(spec.QueueEnable, 2), 0)
		r.Write(r.Common+spec.QueueEnable, 2, 1) // goes nowhere
	}
	want(t, "status", r.Status(), 0)
}

func Test_4_1_4_3_1_GenerationChangesWithWhatIsRead(t *testing.T) {
	r := newRig(t)
	r.Read(r.Config, 4)
	gen := r.reg(spec.ConfigGeneration, 1)
	r.Read(r.Config, 4)
	want(t, "unchanged", r.reg(spec.ConfigGeneration, 1), gen)
	for range 256 { // a counter of 8 bits must not come round
		r.dev.ConfigChanged()
	}
	r.Read(r.Config+4, 4)
	if r.reg(spec.ConfigGeneration, 1) == gen {
		t.Error("the generation did not change")
	}
}

func Test_2_5_2_ConfigurationIsReadableBeforeFeaturesOK(t *testing.T) {
	r := newRig(t)
	want(t, "4 bytes", r.Read(r.Config+8, 4), 1)
	want(t, "1 byte", r.Read(r.Config+12, 1), 2)
	want(t, "8 bytes", r.Read(r.Config+8, 8), 2<<32|1)
	want(t, "beyond", r.dev.ReadBAR(0, r.Config+14, make([]byte, 4)), vbus.NoRegister)
}

func Test_4_1_4_3_1_QueueReset(t *testing.T) {
	for _, f := range []uint64{1 << spec.FRingReset, 1<<spec.FRingReset | 1<<spec.FRingPacked} {
		r := newRig(t)
		r.Init(f, 2, 0)
		r.echo(0, 1)
		r.sel(0)
		r.Write(r.Common+spec.QueueReset, 2, 1)
		for r.reg(spec.QueueReset, 2) != 0 {
		}
		want(t, "queue_enable", r.reg(spec.QueueEnable, 2), 0)
		want(t, "queue_size", r.reg(spec.QueueSize, 2), 64)
		want(t, "queue_msix_vector", r.reg(spec.QueueMSIXVector, 2), spec.NoVector)
		r.Ring(0)    // nobody hears it
		r.echo(1, 2) // the other queue goes on
		r.Rings[0] = r.Setup(0, 16, f)
		r.echo(0, 3)

		// With a chain in flight it takes until that is back.
		r.m.setHold()
		r.send(0, 4)
		r.Ring(0)
		for r.m.count(func(m *echo) int { return len(m.held) }) == 0 {
			r.dev.Queue(0).Ring()
		}
		r.sel(0)
		r.Write(r.Common+spec.QueueReset, 2, 1)
		want(t, "queue_reset", r.reg(spec.QueueReset, 2), 1)
		r.m.release(r.dev, 1)
		for r.reg(spec.QueueReset, 2) != 0 {
		}
		want(t, "queue_enable", r.reg(spec.QueueEnable, 2), 0)
		want(t, "status", r.Status()&spec.StatusNeedsReset, 0)
		r.Rings[0] = r.Setup(0, 0, f)
		r.echo(0, 5)
	}
}

func Test_4_1_4_5_1_ISRAndPinWithoutMSIX(t *testing.T) {
	r := newRig(t)
	r.Slot.SetMSIX(false)
	r.Init(0, 1, 0)
	r.send(0, 1)
	r.Kick(0)
	r.Until("the pin", func() bool { high, _ := r.Slot.Pin(); return high })
	want(t, "ISR", r.Read(r.ISR, 1), spec.ISRQueue)
	high, _ := r.Slot.Pin()
	want(t, "pin after reading ISR", high, false)
	want(t, "ISR again", r.Read(r.ISR, 1), 0)
	r.dev.ConfigChanged()
	want(t, "ISR", r.Read(r.ISR, 1), spec.ISRConfig)
	want(t, "messages", r.Slot.Signals(0)+r.Slot.Signals(1), 0)
	r.dev.ConfigChanged()
	r.Reset()
	high, _ = r.Slot.Pin()
	want(t, "pin after a reset", high, false)
}

func Test_4_1_4_5_1_ConfigurationBitWithMSIXToo(t *testing.T) {
	r := newRig(t)
	r.Init(0, 1, 0)
	r.dev.ConfigChanged()
	high, rises := r.Slot.Pin()
	want(t, "pin", high || rises != 0, false)
	want(t, "messages", r.Slot.Signals(0), 1)
	want(t, "ISR", r.Read(r.ISR, 1), spec.ISRConfig)
}

func Test_4_1_5_1_2_1_Vectors(t *testing.T) {
	r := newRig(t)
	for v := range uint64(5) {
		r.Write(r.Common+spec.ConfigMSIXVector, 2, v)
		r.sel(1)
		r.Write(r.Common+spec.QueueMSIXVector, 2, v)
		kept := v
		if v > 2 {
			kept = spec.NoVector
		}
		want(t, "config_msix_vector", r.reg(spec.ConfigMSIXVector, 2), kept)
		want(t, "queue_msix_vector", r.reg(spec.QueueMSIXVector, 2), kept)
	}
}

func Test_4_1_5_3_1_NoVectorNoInterrupt(t *testing.T) {
	r := newRig(t)
	r.Init(0, 1, 0)
	r.Write(r.Common+spec.QueueMSIXVector, 2, spec.NoVector)
	r.Write(r.Common+spec.ConfigMSIXVector, 2, spec.NoVector) // 4.1.5.4.1
	r.dev.ConfigChanged()
	r.send(0, 1)
	r.Kick(0)
	for ok := false; !ok; {
		_, _, ok = r.Rings[0].Used()
	}
	if err := r.dev.Pause(t.Context()); err != nil { // the pass is over
		t.Fatal(err)
	}
	want(t, "messages", r.Slot.Signals(0)+r.Slot.Signals(1)+r.Slot.Signals(spec.NoVector), 0)
	_, rises := r.Slot.Pin()
	want(t, "pin", rises, 0)
}
