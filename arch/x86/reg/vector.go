package reg

// Vector is an interrupt or exception vector.
type Vector uint8

// The exceptions (APM Vol. 2, Table 8-1).
const (
	DE  Vector = 0  // divide error
	DB  Vector = 1  // debug
	NMI Vector = 2  // non-maskable interrupt
	BP  Vector = 3  // breakpoint
	OF  Vector = 4  // overflow
	BR  Vector = 5  // bound range
	UD  Vector = 6  // invalid opcode
	NM  Vector = 7  // device not available
	DF  Vector = 8  // double fault
	TS  Vector = 10 // invalid TSS
	NP  Vector = 11 // segment not present
	SS  Vector = 12 // stack
	GP  Vector = 13 // general protection
	PF  Vector = 14 // page fault
	MF  Vector = 16 // x87 floating point
	AC  Vector = 17 // alignment check
	MC  Vector = 18 // machine check
	XF  Vector = 19 // SIMD floating point
	VE  Vector = 20 // virtualization (Intel)
	CP  Vector = 21 // control protection
	HV  Vector = 28 // hypervisor injection
	VC  Vector = 29 // VMM communication
	SX  Vector = 30 // security
)

var vectorNames = [32]string{
	"#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", "9", "#TS", "#NP",
	"#SS", "#GP", "#PF", "15", "#MF", "#AC", "#MC", "#XF", "#VE", "#CP", "22", "23",
	"24", "25", "26", "27", "#HV", "#VC", "#SX", "31",
}

// String is the manuals' mnemonic, or the decimal number.
func (v Vector) String() string {
	if int(v) < len(vectorNames) {
		return vectorNames[v]
	}
	return string([]byte{'0' + byte(v)/100, '0' + byte(v)/10%10, '0' + byte(v)%10})
}

// HasError says whether the exception pushes an error code (APM Vol. 2, Table 8-1).
func (v Vector) HasError() bool {
	const with = 1<<DF | 1<<TS | 1<<NP | 1<<SS | 1<<GP | 1<<PF | 1<<AC | 1<<CP | 1<<VC | 1<<SX
	return v < 32 && with>>v&1 == 1
}

// Contributory says whether the exception belongs to the contributory class
// when it meets another one (APM Vol. 2, Table 8-3).
func (v Vector) Contributory() bool {
	const set = 1<<DE | 1<<TS | 1<<NP | 1<<SS | 1<<GP | 1<<CP | 1<<VC | 1<<SX
	return v < 32 && set>>v&1 == 1
}
