package vcpu_test

import (
	"crypto/sha256"
	"fmt"
	"strings"
)

// frozen is the width of addresses, the number of features and a digest of their names.
var frozen = map[string]string{
	"x86-64-v2":            "36/31 decb7b51c6b6",
	"x86-64-v3":            "39/40 92cfd46b2d57",
	"x86-64-v4":            "39/45 28981be70539",
	"intel-nehalem":        "36/32 23a1d644fe43",
	"intel-westmere":       "36/34 01d1f43c1d5e",
	"intel-sandybridge":    "36/38 8c845d9af6da",
	"intel-ivybridge":      "36/43 b357a6c33a11",
	"intel-haswell":        "39/51 cc522845b338",
	"intel-broadwell":      "39/55 3a6e9b6b0379",
	"intel-skylake":        "39/58 8c42b02f68a7",
	"intel-skylake-server": "46/64 3bbbbdc2ded0",
	"intel-icelake-server": "46/77 8c22b0f0619e",
	"amd-opteron-g3":       "46/36 cb81ca1f1f2c",
	"amd-opteron-g4":       "46/43 ac18766f04cb",
	"amd-opteron-g5":       "46/46 be4a1f17c137",
	"amd-epyc":             "46/62 dc23b69c8331",
	"amd-epyc-rome":        "46/65 a3b0496128ef",
	"amd-epyc-milan":       "46/71 0a16ba5e803f",
}

func digest(names []string) string {
	return fmt.Sprintf("%.6x", sha256.Sum256([]byte(strings.Join(names, " "))))
}
