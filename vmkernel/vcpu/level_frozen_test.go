package vcpu_test

import (
	"crypto/sha256"
	"fmt"
	"strings"
)

// frozen is the width of addresses, the number of features and a digest of their names.
var frozen = map[string]string{
	"x86-64-v2":            "36/30 095c54258d61",
	"x86-64-v3":            "39/39 288c45813a3a",
	"x86-64-v4":            "39/44 870bc44938d6",
	"intel-nehalem":        "36/31 47ff3dc83826",
	"intel-westmere":       "36/33 bb7c1c4bc550",
	"intel-sandybridge":    "36/37 aaf52eb6216b",
	"intel-ivybridge":      "36/42 6b713ff1725d",
	"intel-haswell":        "39/50 5c5c505ede56",
	"intel-broadwell":      "39/54 a20deaa685d2",
	"intel-skylake":        "39/57 38d1a593884b",
	"intel-skylake-server": "46/63 cd23b7820ec3",
	"intel-icelake-server": "46/76 2c86fa5b738a",
	"amd-opteron-g3":       "46/35 6e1127101793",
	"amd-opteron-g4":       "46/42 edb02ce99650",
	"amd-opteron-g5":       "46/45 7af738819323",
	"amd-epyc":             "46/61 07c512fe2a20",
	"amd-epyc-rome":        "46/64 d9edbd22c3fc",
	"amd-epyc-milan":       "46/70 6416e2bc10ea",
}

func digest(names []string) string {
	return fmt.Sprintf("%.6x", sha256.Sum256([]byte(strings.Join(names, " "))))
}
