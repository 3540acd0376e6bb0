package vmx

// Flags is how a VMX instruction ended (SDM Vol. 3C, 31.2, "Conventions").
type Flags uint64

// The outcomes.
const (
	Succeed     Flags = 0
	FailInvalid Flags = 1 // CF: no current VMCS, or the operand was bad
	FailValid   Flags = 2 // ZF: the current VMCS holds a VM-instruction error
)

// VMXON enters VMX operation; pa is the physical address of the VMXON region.
func VMXON(pa uint64) Flags

// VMXOFF leaves VMX operation.
func VMXOFF() Flags

// VMCLEAR writes the VMCS at pa back to memory and makes its launch state clear.
func VMCLEAR(pa uint64) Flags

// VMPTRLD makes the VMCS at pa current on this processor.
func VMPTRLD(pa uint64) Flags

// VMPTRST gives the address of the current VMCS, all ones if there is none.
func VMPTRST() uint64

// VMREAD reads a field of the current VMCS.
func VMREAD(f Field) (v uint64, fl Flags)

// ReadFields reads f[i] of the current VMCS into v[i]; for a field that the
// processor lacks v[i] stays as it is. v is at least as long as f. One call for many fields costs a
// sixth of as many calls.
//
//go:noescape
func ReadFields(f []Field, v []uint64)

// VMWRITE writes a field of the current VMCS.
func VMWRITE(f Field, v uint64) Flags

// INVEPT drops translations that EPT made; kind is INVEPTSingle or INVEPTAll.
func INVEPT(kind, eptp uint64) Flags

// INVVPID drops linear and combined translations; kind is one of the INVVPID
// constants.
func INVVPID(kind, vpid, addr uint64) Flags

// Kinds of INVEPT and INVVPID (SDM Vol. 3C, 31.3).
const (
	INVEPTSingle         = 1
	INVEPTAll            = 2
	INVVPIDAddress       = 0
	INVVPIDSingle        = 1
	INVVPIDAll           = 2
	INVVPIDRetainGlobals = 3
)
