// Package vtime is the virtual machine's clock: nanoseconds since power-on that
// pass only while the machine runs. World W2.
//
// Every timer device (PIT, RTC, PM timer, UART time-out) uses it through
// vbus.Clock, so that pause, checkpoint, migration and tests agree. Clock runs
// over the host's monotonic time and one Go timer for all its timers; Manual is
// moved by hand, for tests.
//
// A callback runs on a goroutine of the clock, with no lock of the clock held;
// all callbacks of one clock run one after another. A callback may still come
// after Stop returned if it was already due: a device looks at its own state and
// at Now, it does not trust the call. None runs after Pause returned.
//
// Bounded work: a guest that programs a very short period cannot make the host
// spin. The clock wakes at most every MinWake; a device that finds several of
// its periods gone raises one interrupt.
//
// Locking: the clock's mutex is a leaf: devices call Arm, Stop and Now with
// their own lock held. Arm and Stop allocate nothing.
package vtime
