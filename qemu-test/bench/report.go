package main

import (
	"fmt"
	"strings"
)

// report is everything measured. The first index of runs and profiles is the
// emulator: QEMU/SVM, Bochs/VMX; the second of runs is mitigations on, off.
type report struct {
	runs     [2][2]result
	profiles [2][len(loops)]profile
	linux    float64
	whole    *whole
}

var engines = [2]string{"QEMU/SVM (AMD-V)", "Bochs/VMX (VT-x)"}

func (r *report) markdown() string {
	var b strings.Builder
	for i, name := range engines {
		for j, mit := range []string{"on", "off"} {
			if len(r.runs[i][j].perOp) > 0 {
				r.exits(&b, i, j, name, mit)
			}
		}
	}
	if r.profiles[0][0].total > 0 {
		fmt.Fprintf(&b, "## What one exit executes\n\n| exit | engine | instructions | of which |\n| --- | --- | ---: | --- |\n")
		for k, g := range loops {
			for i, name := range engines {
				fmt.Fprintf(&b, "| %s | %s | %.0f | %s |\n", strings.TrimPrefix(g, "loop-"), name, r.profiles[i][k].total, r.profiles[i][k].list(expensive[i]))
			}
		}
		b.WriteString("\n")
	}
	for k, g := range loops {
		if g != "loop-mmio" {
			continue
		}
		for i, name := range engines {
			if p := r.profiles[i][k]; p.total > 0 {
				fmt.Fprintf(&b, "## Where an MMIO read goes, %s\n\n| function | instructions |\n| --- | ---: |\n", name)
				for _, f := range p.most(0.01) {
					fmt.Fprintf(&b, "| `%s` | %.0f |\n", f, p.funcs[f])
				}
				b.WriteString("\n")
			}
		}
	}
	if r.linux > 0 || r.whole != nil {
		fmt.Fprintf(&b, "## The host as a whole\n\n| what | ours | limit | |\n| --- | ---: | ---: | --- |\n")
		if r.linux > 0 {
			fmt.Fprintf(&b, "| Debian cloud kernel, start to power-off (instructions; KVM %.2f G, ratio %.2f) | %.2f G | %.1f G | %s |\n",
				kvmPowerOff/1e9, r.linux/kvmPowerOff, r.linux/1e9, limitPowerOff/1e9, met(r.linux, limitPowerOff))
		}
		if w := r.whole; w != nil {
			fmt.Fprintf(&b, "| entry to the first HTTPS answer (instructions) | %s | %.0f M | %s |\n", count(w.firstAnswer, 1e6, " M"), limitFirstAnswer/1e6, met(w.firstAnswer, limitFirstAnswer))
			fmt.Fprintf(&b, "| basalt.elf, stripped | %.1f MiB | %d MiB | %s |\n", float64(w.elf)/(1<<20), limitELF>>20, met(float64(w.elf), limitELF))
			fmt.Fprintf(&b, "| basalt.img | %.1f MiB | %d MiB | %s |\n", float64(w.image)/(1<<20), limitImage>>20, met(float64(w.image), limitImage))
			fmt.Fprintf(&b, "| host answers with %d MiB | %v | | %s |\n", limitHostMiB, w.boots128, met(b2f(w.boots128), 1))
			fmt.Fprintf(&b, "| host memory in use, no machine | %.1f MiB | | |\n", w.noVM)
			fmt.Fprintf(&b, "| host memory in use, one idle machine (%.0f MiB of it the guest's) | %.1f MiB | | |\n", w.guestMiB, w.idleVM)
			fmt.Fprintf(&b, "| host memory for each of %d idle machines besides its own, page tables included | %.0f KiB | %d KiB | %s |\n", machines, w.perMachine/1024, limitMachine>>10, met(w.perMachine, limitMachine))
			fmt.Fprintf(&b, "| idle machines of %d MiB that run on a host with %d GiB, the API answering | %d | %d | %s |\n", machineMiB, manyMiB>>10, w.running, machines, met(machines, float64(w.running)))
		}
	}
	return b.String()
}

// exits is the table of one run.
func (r *report) exits(b *strings.Builder, i, j int, name, mit string) {
	run := r.runs[i][j]
	fmt.Fprintf(b, "## %s, mitigations %s\n\n| operation | ours | KVM | ratio | limit | |\n| --- | ---: | ---: | ---: | ---: | --- |\n", name, mit)
	for _, o := range ops {
		v, ok := run.perOp[o.key]
		if !ok {
			fmt.Fprintf(b, "| %s | not measured | | | %s | |\n", o.name, dash(o.bound(i, j)))
			continue
		}
		ratio := "-"
		if k := o.kvm[i][j]; k > 0 {
			ratio = fmt.Sprintf("%.2f", v/float64(k))
		}
		verdict := ""
		limit := o.bound(i, j)
		if limit > 0 {
			verdict = met(v, float64(limit))
		}
		fmt.Fprintf(b, "| %s | %.0f | %s | %s | %s | %s |\n", o.name, v, dash(o.kvm[i][j]), ratio, dash(limit), verdict)
	}
	if run.onExits {
		fmt.Fprintf(b, "| allocations in %d exits of every kind | %d | - | - | 0 | %s |\n", run.exits, run.allocs, met(float64(run.allocs), 0))
	}
	b.WriteString("\n")
}

func met(v, limit float64) string {
	if v <= limit && (v > 0 || limit == 0) {
		return "met"
	}
	return "NOT MET"
}

func dash(n int) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprint(n)
}

func count(v, unit float64, suffix string) string {
	if v == 0 {
		return "not measured"
	}
	return fmt.Sprintf("%.0f%s", v/unit, suffix)
}

func b2f(ok bool) float64 {
	if ok {
		return 1
	}
	return 0
}
