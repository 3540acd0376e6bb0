package virtio_test

import (
	"errors"
	"testing"

	spec "basalt/drivers/spec/virtio"
	"basalt/vmkernel/vdev/virtio"
)

func Test_2_1_2_NothingIsConsumedBeforeDriverOK(t *testing.T) {
	r := newRig(t)
	r.Negotiate(0)
	r.AddQueue(0, 0)
	r.send(0, 1)
	r.Ring(0)
	r.Ring(0)
	if calls := r.m.count(func(m *echo) int { return m.calls }); calls != 0 {
		t.Errorf("%d calls of Handle before DRIVER_OK", calls)
	}
	if _, _, ok := r.Rings[0].Used(); ok {
		t.Error("a chain was used")
	}
	r.SetStatus(spec.StatusDriverOK) // without another doorbell
	if _, n := r.Take(0); n != 4 {
		t.Errorf("%d bytes", n)
	}
}

func Test_2_1_2_NeedsResetComesWithAConfigurationInterrupt(t *testing.T) {
	r := newRig(t)
	r.Init(0, 2, 0)
	before := r.Slot.Signals(0)
	r.Write(r.Notify, 2, 7) // not the queue's number
	want(t, "status", r.Status(), uint8(spec.StatusAcknowledge|spec.StatusDriver|spec.StatusFeaturesOK|spec.StatusDriverOK|spec.StatusNeedsReset))
	want(t, "interrupts", r.Slot.Signals(0)-before, 1)
	r.Write(r.Notify, 2, 7)
	want(t, "interrupts of a second breach", r.Slot.Signals(0)-before, 1)
	if !errors.Is(r.dev.Err(), virtio.ErrDriver) {
		t.Errorf("reason: %v", r.dev.Err())
	}
	r.Init(0, 2, 0)
	r.echo(1, 5)
}

func Test_2_1_2_NeedsResetBeforeDriverOKIsSilent(t *testing.T) {
	r := newRig(t)
	r.Negotiate(0)
	r.Write(r.Common+spec.ConfigMSIXVector, 2, 0)
	r.Write(r.Common+spec.DeviceFeature, 4, 1)
	want(t, "needs reset", r.Status()&spec.StatusNeedsReset, spec.StatusNeedsReset)
	want(t, "interrupts", r.Slot.Signals(0), 0)
}

// Every way in which a register can be abused leads to NEEDS_RESET and from there
// back through a reset.
func Test_2_1_2_BreachesNeedAReset(t *testing.T) {
	c := func(off uint64, n int, v uint64) func(*rig) {
		return func(r *rig) { r.sel(0); r.Write(r.Common+off, n, v) }
	}
	for name, f := range map[string]func(*rig){
		"2.1.1 status bit taken back":            c(spec.DeviceStatus, 1, spec.StatusAcknowledge|spec.StatusDriver|spec.StatusFeaturesOK),
		"3.1.1 features after FEATURES_OK":       c(spec.DriverFeature, 4, 0x20),
		"4.1.4.3.2 device_feature":               c(spec.DeviceFeature, 4, 0),
		"4.1.4.3.2 num_queues":                   c(spec.NumQueues, 2, 1),
		"4.1.4.3.2 config_generation":            c(spec.ConfigGeneration, 1, 0),
		"4.1.4.3.2 queue_notify_off":             c(spec.QueueNotifyOff, 2, 0),
		"4.1.4.3.2 queue_enable 0":               c(spec.QueueEnable, 2, 0),
		"4.1.4.3.2 queue_enable 2":               c(spec.QueueEnable, 2, 2),
		"4.1.4.3.2 queue_size of an enabled one": c(spec.QueueSize, 2, 8),
		"4.1.4.3.2 queue_desc of an enabled one": c(spec.QueueDesc, 4, 0),
		"6 queue_reset without RING_RESET":       c(spec.QueueReset, 2, 1),
		"4.1.5.2.1 doorbell with another number": func(r *rig) { r.Write(r.Notify, 2, 1) },
		"2.5.1 read-only device configuration":   func(r *rig) { r.Write(r.Config+8, 4, 1) },
		"4.1.4.3.2 queue_size 0":                 func(r *rig) { r.sel(1); r.Write(r.Common+spec.QueueSize, 2, 0) },
		"4.1.4.3.2 queue_size above the maximum": func(r *rig) { r.sel(1); r.Write(r.Common+spec.QueueSize, 2, 512) },
		"4.1.4.3.2 split queue of 3": func(r *rig) {
			r.sel(1)
			r.Write(r.Common+spec.QueueSize, 2, 3)
			r.Write(r.Common+spec.QueueEnable, 2, 1)
		},
		"2.7 queue outside of memory": func(r *rig) {
			r.sel(1)
			r.Write(r.Common+spec.QueueDesc+4, 4, 1)
			r.Write(r.Common+spec.QueueEnable, 2, 1)
		},
		"2.7 queue that is not aligned": func(r *rig) {
			r.sel(1)
			r.Write(r.Common+spec.QueueDesc, 4, 8)
			r.Write(r.Common+spec.QueueEnable, 2, 1)
		},
		"2.7.13 available index that jumps":      func(r *rig) { r.Mem.PutUint16(r.Rings[0].Config().Driver+spec.AvailIdx, 1000); r.Ring(0) },
		"2.7.5.3.1 indirect without negotiation": func(r *rig) { r.Rings[0].AddIndirect(out); r.Ring(0) },
		"3.1.1 features of a word that is not": func(r *rig) {
			r.Negotiate(0)
			r.Reset()
			r.Write(r.Common+spec.DriverFeatureSelect, 4, 9)
			r.Write(r.Common+spec.DriverFeature, 4, 1)
		},
		"3.1.1 DRIVER_OK without FEATURES_OK":    func(r *rig) { r.Reset(); r.SetStatus(spec.StatusDriverOK) },
		"3.1.1 queue_enable before FEATURES_OK":  func(r *rig) { r.Reset(); r.sel(0); r.Write(r.Common+spec.QueueEnable, 2, 1) },
		"3.1.1 configuration before FEATURES_OK": func(r *rig) { r.Reset(); r.Write(r.Config, 4, 1) },
		"2.2.1 DRIVER_OK with refused FEATURES_OK": func(r *rig) {
			r.Reset()
			r.SetStatus(spec.StatusAcknowledge | spec.StatusDriver)
			if r.Accept(0) { // VERSION_1 is missing
				r.T.Error("accepted")
			}
			r.SetStatus(spec.StatusDriverOK)
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.Init(0, 1, 0)
			r.echo(0, 1)
			f(r)
			if r.Status()&spec.StatusDriverOK != 0 {
				r.UntilBroken()
			} else {
				want(t, "needs reset", r.Status()&spec.StatusNeedsReset, spec.StatusNeedsReset)
			}
			r.Init(0, 2, 0)
			r.echo(0, 2)
		})
	}
}

func Test_2_2_2_FeaturesOKSticksOnlyForWhatIsOffered(t *testing.T) {
	r := newRig(t)
	r.m.refuse = 1 << echoFeature
	v1 := uint64(1) << spec.FVersion1
	for _, c := range []struct {
		f  uint64
		ok bool
	}{
		{v1 | 1<<echoFeature, true},
		{v1, false},                         // the type says no
		{1 << echoFeature, false},           // 6.1: VERSION_1
		{v1 | 1<<echoFeature | 1<<4, false}, // not offered
		{v1 | 1<<echoFeature | 1<<spec.FAccessPlatform, false},
		{r.Offered(), true},
	} {
		r.Reset()
		r.SetStatus(spec.StatusAcknowledge | spec.StatusDriver)
		want(t, "FEATURES_OK", r.Accept(c.f), c.ok)
	}
	r.Reset()
	want(t, "without DRIVER", r.Accept(v1|1<<echoFeature), false) // 3.1.1
}

func Test_2_4_1_ResetReinitializesEverything(t *testing.T) {
	r := newRig(t)
	r.Init(1<<spec.FRingPacked, 2, 8)
	r.echo(1, 1)
	r.Write(r.Config, 4, 0x1234)
	r.Reset()
	want(t, "status", r.Status(), 0)
	want(t, "config_msix_vector", r.reg(spec.ConfigMSIXVector, 2), spec.NoVector)
	want(t, "driver_feature", r.reg(spec.DriverFeature, 4), 0)
	want(t, "model's configuration", r.Read(r.Config, 4), 0)
	for i, size := range []uint64{64, 256} {
		r.sel(i)
		want(t, "queue_enable", r.reg(spec.QueueEnable, 2), 0)
		want(t, "queue_reset", r.reg(spec.QueueReset, 2), 0)
		want(t, "queue_size", r.reg(spec.QueueSize, 2), size)
		want(t, "queue_msix_vector", r.reg(spec.QueueMSIXVector, 2), spec.NoVector)
		want(t, "queue_desc", r.reg(spec.QueueDesc, 4), 0)
	}
	signals := r.Slot.Signals(1)
	r.Ring(0)
	r.dev.ConfigChanged()
	want(t, "interrupts after the reset", r.Slot.Signals(1)-signals, 0)
}

func Test_2_4_1_ResetIsDoneWhenNothingIsInFlight(t *testing.T) {
	for name, f := range kinds {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.Init(f, 2, 0)
			r.m.setHold()
			r.send(0, 1)
			r.Ring(0)
			r.dev.Queue(0).Ring()
			for r.m.count(func(m *echo) int { return len(m.held) }) == 0 {
				r.dev.Queue(0).Ring()
			}
			r.SetStatus(0)
			if r.Status() == 0 {
				t.Error("the reset was done with a chain in flight")
			}
			r.Write(r.Common+spec.DeviceStatus, 1, spec.StatusAcknowledge) // too early
			r.m.release(r.dev, 2)
			r.Reset()
			r.Init(f, 2, 0)
			r.echo(0, 2)
		})
	}
}
