package wire

// CPU is a machine's part of the host's processors, and the body of PUT
// /api/v1/vms/{id}/cpu.
type CPU struct {
	Shares      int    `json:"shares,omitempty" minimum:"0" maximum:"100000" doc:"Weight against what else is in its pool and wants to run; 1000 for each CPU when left out."`
	Reservation int    `json:"reservation,omitempty" minimum:"0" maximum:"64000" doc:"Thousandths of a host CPU that it gets whenever it wants them."`
	Limit       int    `json:"limit,omitempty" minimum:"0" maximum:"64000" doc:"Thousandths of a host CPU that it never exceeds for long; none when left out."`
	Pool        string `json:"pool,omitempty" maxLength:"63" doc:"The resource pool that it is in; the host's own when left out."`
}

// PoolCreate is the body of POST /api/v1/pools.
type PoolCreate struct {
	Name        string `json:"name" minLength:"1" maxLength:"63" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]*$" patternDescription:"a letter or digit, then letters, digits, '.', '_' or '-'" doc:"Unique on the host."`
	Parent      string `json:"parent,omitempty" maxLength:"63" doc:"The resource pool that it is in, for its life; host when left out."`
	Shares      int    `json:"shares,omitempty" minimum:"0" maximum:"100000" doc:"Weight against what else is in its parent and wants to run; 4000 when left out."`
	Reservation int    `json:"reservation,omitempty" minimum:"0" maximum:"64000" doc:"Thousandths of a host CPU that it gets whenever what is in it wants them, and that can be promised to what is in it."`
	Limit       int    `json:"limit,omitempty" minimum:"0" maximum:"64000" doc:"Thousandths of a host CPU that all in it together never exceed for long; none when left out."`
}

// PoolChange is the body of PUT /api/v1/pools/{name}: all of what the pool is entitled
// to.
type PoolChange struct {
	Shares      int `json:"shares,omitempty" minimum:"0" maximum:"100000" doc:"4000 when left out."`
	Reservation int `json:"reservation,omitempty" minimum:"0" maximum:"64000" doc:"Thousandths of a host CPU; at least what is promised in it."`
	Limit       int `json:"limit,omitempty" minimum:"0" maximum:"64000" doc:"Thousandths of a host CPU; none when left out."`
}

// Pool is a resource pool. The first is host: all of the host's processors.
type Pool struct {
	Name        string   `json:"name"`
	Parent      string   `json:"parent,omitempty"`
	Shares      int      `json:"shares,omitempty"`
	Reservation int      `json:"reservation" doc:"Thousandths of a host CPU."`
	Limit       int      `json:"limit,omitempty" doc:"Thousandths of a host CPU; none when left out."`
	Promised    int      `json:"promised" doc:"Thousandths of a host CPU that are promised to what is in it; of host also to the management itself."`
	VMs         []string `json:"vms" doc:"Names of the machines in it, whatever they do; not of those in pools in it."`
	RunningVMs  int      `json:"runningVMs" doc:"Machines that run in it, those of pools in it included."`
	Times       CPUStats `json:"times" doc:"Of the CPUs of all machines that ran in it, for the time that they did, those of pools in it included. They never go back."`
}

// PoolList is GET /api/v1/pools.
type PoolList struct {
	Pools []Pool `json:"pools"`
}
