package cpu

// CPUID executes CPUID with EAX=leaf and ECX=subleaf.
func CPUID(leaf, subleaf uint32) (eax, ebx, ecx, edx uint32)

// RDMSR reads a model-specific register; #GP if the processor lacks it.
func RDMSR(index uint32) uint64

// WRMSR writes a model-specific register.
func WRMSR(index uint32, value uint64)

// RDTSC reads the time-stamp counter.
func RDTSC() uint64

// RDTSCOrdered reads the time-stamp counter after everything before it has happened.
func RDTSCOrdered() uint64

// Fence makes every store before it visible before anything behind it happens.
func Fence()

// XGETBV reads an extended control register (0 is XCR0).
func XGETBV(index uint32) uint64

// XSETBV writes an extended control register.
func XSETBV(index uint32, value uint64)

// ReadCR0 reads CR0.
func ReadCR0() uint64

// WriteCR0 writes CR0.
func WriteCR0(v uint64)

// ReadCR2 reads the address of the last page fault.
func ReadCR2() uint64

// ReadCR3 reads the root of the page tables.
func ReadCR3() uint64

// WriteCR3 writes the root of the page tables and drops non-global translations.
func WriteCR3(v uint64)

// ReadCR4 reads CR4.
func ReadCR4() uint64

// WriteCR4 writes CR4.
func WriteCR4(v uint64)

// INVLPG drops the translation of the page that holds va.
func INVLPG(va uintptr)

// CLI turns maskable interrupts off.
func CLI()

// STI turns maskable interrupts on.
func STI()

// HLT waits for an interrupt with interrupts as they are.
func HLT()

// STIHLT turns interrupts on and waits, with no window in between.
func STIHLT()

// PAUSE says that this is a spin loop.
func PAUSE()

// RFLAGS reads the flags register.
func RFLAGS() uint64

// RDRAND asks the hardware generator for 64 bits; ok is its carry flag.
func RDRAND() (v uint64, ok bool)

// RDSEED asks the hardware's entropy source for 64 bits; ok is its carry flag.
func RDSEED() (v uint64, ok bool)

// WBINVD writes back and drops all caches.
func WBINVD()

// LGDT loads GDTR from the 10-byte operand at p.
func LGDT(p uintptr)

// LIDT loads IDTR from the 10-byte operand at p.
func LIDT(p uintptr)

// LTR loads the task register.
func LTR(selector uint16)

// ReadTR reads the task register's selector.
func ReadTR() uint16

// ReadDR6 reads debug register 6.
func ReadDR6() uint64

// ReadDR7 reads debug register 7.
func ReadDR7() uint64

// WriteDR7 writes debug register 7.
func WriteDR7(v uint64)
