package wire

import "time"

// VMSuspend is the body of POST /api/v1/vms/{id}/suspend.
type VMSuspend struct {
	File    string `json:"file,omitempty" maxLength:"255" doc:"Path in the file store; the machine's name and .state when left out."`
	Replace bool   `json:"replace,omitempty" doc:"Replace a file that is there."`
}

// VMClone is the body of POST /api/v1/vms/{id}/clone.
type VMClone struct {
	Name string `json:"name" minLength:"1" maxLength:"63" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]*$" patternDescription:"a letter or digit, then letters, digits, '.', '_' or '-'" doc:"Of the new machine; unique on the host."`
	NICs string `json:"nics,omitempty" enum:"new,none" doc:"new, when left out: the guest finds its network adapters exchanged for ones with other addresses. none: it finds them gone."`
}

// VMRestore is the body of POST /api/v1/restore.
type VMRestore struct {
	File   string            `json:"file" minLength:"1" maxLength:"255" doc:"The state's path in the file store."`
	Name   string            `json:"name,omitempty" maxLength:"63" doc:"Of the new machine; as saved when left out."`
	NICs   string            `json:"nics,omitempty" enum:"keep,new,none" doc:"keep, when left out: the adapters have the addresses that they had, which must be free. new and none: as for a clone."`
	Images map[string]string `json:"images,omitempty" doc:"Other paths of images, by the names of the disks. What the images hold is not in the state: it must be what the disks held."`
	Boot   *Boot             `json:"boot,omitempty" doc:"What a reset and later starts boot; as saved when left out."`
	Paused bool              `json:"paused,omitempty" doc:"Leave it paused."`
}

// SavedState is GET /api/v1/state: what a saved state says about itself.
type SavedState struct {
	Path      string     `json:"path"`
	Bytes     int64      `json:"bytes"`
	Name      string     `json:"name" doc:"Of the machine that was saved."`
	Saved     *time.Time `json:"saved,omitempty" doc:"When; left out by states that do not say so."`
	Engine    string     `json:"engine" doc:"Only a host with this engine can restore it."`
	CPULevel  string     `json:"cpuLevel,omitempty"`
	Hardware  int        `json:"hardware" doc:"Version of the board."`
	TSCKHz    uint64     `json:"tscKHz" doc:"Of the guest's time stamp counter."`
	CPUs      int        `json:"cpus"`
	MemoryMiB int        `json:"memoryMiB"`
	Boot      Boot       `json:"boot"`
	Disks     []Disk     `json:"disks,omitempty"`
	NICs      []NIC      `json:"nics,omitempty"`
	Checked   bool       `json:"checked" doc:"All of it was read, and its checksums are right."`
}
