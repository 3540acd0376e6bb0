# Basalt. `make help` explains the targets.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := build
MAKEFLAGS += --no-builtin-rules

export CGO_ENABLED := 0

LINK   := -T 0x1000000 -E basalt/vmkernel/linux.start
STRIP  := -s -w
VERSION := $(shell git describe --always --dirty 2>/dev/null || echo unknown)
KBUILD := go build -trimpath -buildvcs=false -overlay build/_overlay/overlay.json -modfile build/_overlay/go.mod
KLINK  := -ldflags "$(STRIP) $(LINK) -X basalt/mgmt/version.Version=$(VERSION)"

.PHONY: help
help: ## print this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

.PHONY: build
build: build/basalt.elf build/basalt ## build the bootable kernel and the client

.PHONY: FORCE
FORCE:

build/_overlay/overlay.json: $(wildcard cmd/mkoverlay/*.go) go.mod
	@mkdir -p build
	go run ./cmd/mkoverlay -mod -o build/_overlay

build/vmkernel.linked: build/_overlay/overlay.json FORCE
	GOOS=linux GOARCH=amd64 $(KBUILD) $(KLINK) -o $@ ./cmd/vmkernel

build/basalt.elf: build/vmkernel.linked
	go run ./cmd/mkimage elf build/vmkernel.linked $@

build/stress.elf: build/_overlay/overlay.json FORCE
	GOOS=linux GOARCH=amd64 $(KBUILD) $(KLINK) -o build/stress.linked ./qemu-test/stress
	go run ./cmd/mkimage elf build/stress.linked $@

build/fair.elf: build/_overlay/overlay.json FORCE
	GOOS=linux GOARCH=amd64 $(KBUILD) $(KLINK) -o build/fair.linked ./qemu-test/fair
	go run ./cmd/mkimage elf build/fair.linked $@

build/fair.img: build/fair.elf deps
	go run ./cmd/mkimage image -o $@ build/fair.elf

build/follow.elf: build/_overlay/overlay.json FORCE
	GOOS=linux GOARCH=amd64 $(KBUILD) $(KLINK) -o build/follow.linked ./qemu-test/follow
	go run ./cmd/mkimage elf build/follow.linked $@

build/follow.img: build/follow.elf deps
	go run ./cmd/mkimage image -o $@ build/follow.elf

build/nics.elf: build/_overlay/overlay.json FORCE
	GOOS=linux GOARCH=amd64 $(KBUILD) $(KLINK) -o build/nics.linked ./qemu-test/nics
	go run ./cmd/mkimage elf build/nics.linked $@

build/bench.elf: build/_overlay/overlay.json FORCE
	GOOS=linux GOARCH=amd64 $(KBUILD) $(KLINK) -o build/bench.linked ./qemu-test/bench/kernel
	go run ./cmd/mkimage elf build/bench.linked $@

.PHONY: bench
bench: deps build/basalt.elf build/basalt.img build/basalt build/bench.elf ## what exits, boots and an idle host cost, beside KVM
	go run ./qemu-test/bench

build/nics.img: build/nics.elf deps
	go run ./cmd/mkimage image -o $@ build/nics.elf

build/basalt: FORCE
	go build -trimpath -buildvcs=false -ldflags "-s -w -X basalt/mgmt/version.Version=$(VERSION)" -o $@ ./cmd/basalt

# Runs in a Debian guest of the cases.
build/answer: FORCE
	GOOS=linux GOARCH=amd64 go build -trimpath -buildvcs=false -ldflags "-s -w" -o $@ ./qemu-test/answer

.PHONY: image
image: build/basalt.img ## build the GPT disk image for a USB stick or disk

build/basalt.img: build/basalt.elf deps
	go run ./cmd/mkimage image -o $@ build/basalt.elf

# The host that lets the processor deliver interrupts even where Bochs fails the trial.
build/virtual.img: build/basalt.elf deps
	printf 'interrupts=virtual\n' > build/virtual.conf
	go run ./cmd/mkimage image -conf build/virtual.conf -o $@ build/basalt.elf

# The host with Debian's files for its store, for firmware that reads no file for QEMU.
build/debian.img: build/basalt.elf guests deps
	go run ./cmd/mkimage image -files build/guests/debian-files.cpio -o $@ build/basalt.elf

.PHONY: run
run: deps build ## the main job: boot the host in QEMU, run a Debian guest, attach to its console
	go run ./qemu-test/demo

.PHONY: check
check: ## format, vet, staticcheck and the repository's own rules (seconds)
	@bad=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$bad" ] || { echo "gofmt would change:"; echo "$$bad"; exit 1; }
	go vet ./...
	go tool staticcheck ./...
	go test -count=1 ./cmd/repocheck

.PHONY: unit
unit: build/_overlay/overlay.json ## the package tests and fuzz seeds, on this machine
	go test -overlay build/_overlay/overlay.json $$(go list ./... | grep -v /qemu-test/cases)

.PHONY: test
test: deps check unit cases ## everything: check, package tests, then the machines in QEMU and Bochs

.PHONY: guests
guests: ## fetch Debian's kernel and Xen and build an initramfs for the guests (once, into build/guests)
	go run ./qemu-test/artefacts/get

.PHONY: cases
cases: deps guests build/answer build/basalt.elf build/basalt.img build/virtual.img build/debian.img build/stress.elf build/nics.img build/fair.elf build/fair.img build/follow.elf build/follow.img build/go127/basalt.elf ## boot the test table in the emulators
	go test -count=1 -v -parallel 2 -timeout 75m ./qemu-test/cases

.PHONY: debian
debian: deps guests build/basalt.elf build/debian.img ## Debian with systemd as a guest on both engines, the slow rows too
	go test -count=1 -v -timeout 90m -run TestSystemd ./qemu-test/cases -long

# The same tree with the next Go. A toolchain that is a module needs a GOROOT
# outside the module cache, which mkoverlay makes. Go 1.27 refuses references to
# runtime.systemstack (vmkernel/vcpu/hostcpu) unless the linker is told otherwise.
GO127 := go1.27.4

build/go127/basalt.elf: FORCE
	@mkdir -p build/go127
	GOTOOLCHAIN=$(GO127) go run ./cmd/mkoverlay -mod -o build/go127/_overlay
	@if [ -e build/go127/_overlay/goroot ]; then export GOROOT=$(CURDIR)/build/go127/_overlay/goroot GOTOOLCHAIN=local PATH=$(CURDIR)/build/go127/_overlay/goroot/bin:$$PATH; \
	else export GOTOOLCHAIN=$(GO127); fi; \
	GOOS=linux GOARCH=amd64 go build -trimpath -buildvcs=false -overlay build/go127/_overlay/overlay.json -modfile build/go127/_overlay/go.mod $(subst $(LINK),$(LINK) -checklinkname=0,$(KLINK)) -o build/go127/vmkernel.linked ./cmd/vmkernel
	go run ./cmd/mkimage elf build/go127/vmkernel.linked $@

.PHONY: go127
go127: deps build/go127/basalt.elf ## the same tree with Go 1.27: check, build, boot and run a guest
	GOTOOLCHAIN=$(GO127) $(MAKE) check
	go test -count=1 -v -run TestGo127 ./qemu-test/cases

.PHONY: pictures
pictures: deps build ## take the screenshots in docs/
	go test -count=1 -run 'TestConsolePage|TestCrash/panic' ./qemu-test/cases -docs

.PHONY: kvm-unit-tests
kvm-unit-tests: deps build/basalt.elf build/basalt.img ## run that suite's flat images as guests on both engines: DIR=its folder x86; ARGS="-engine amd-v -run smp"
	go run ./qemu-test/kut $(ARGS) $(or $(DIR),$(error DIR is missing: the folder with the suite's .flat images))

.PHONY: ktest
ktest: deps ## test packages in ring 0: PKG=sync, PKG=std (the list), PKG=./vmkernel/...; ARGS="-v -run X"
	go run ./qemu-test/ktest $(KTEST) $(or $(PKG),std) $(ARGS)

.PHONY: stress
stress: deps build/stress.elf ## the runtime under load in ring 0: TIME=10m CPUS=4
	go run ./qemu-test/stress/boot -time $(or $(TIME),10m) -cpus $(or $(CPUS),4) build/stress.elf

.PHONY: cycles
cycles: deps guests build/basalt.elf $(if $(filter debian,$(LOAD)),build/debian.img,build/basalt.img) ## suspend, restore and clone a working guest N=200 times: ENGINE=amd-v|vt-x LOAD=micro|debian
	go run ./qemu-test/cycles -n $(or $(N),200) -engine $(or $(ENGINE),amd-v) -load $(or $(LOAD),micro) $(ARGS)
.PHONY: fuzz
fuzz: build/_overlay/overlay.json ## every fuzz target, TIME=60s each: PKG=./vmkernel/vdev/... RUN=regexp SHARE=10m (all together) ARGS=-h
	go run ./qemu-test/fuzz -time $(or $(TIME),60s) -share $(or $(SHARE),0) -pkg $(or $(PKG),./...) -run '$(RUN)' $(ARGS)

.PHONY: hostile
hostile: deps build/basalt.elf build/basalt.img ## a guest that attacks every device beside a witness: TIME=10m SEED=1 ENGINE=amd-v or vt-x
	go test -count=1 -v -timeout 12h -run 'TestHostile/$(or $(ENGINE),amd-v)' ./qemu-test/cases -hostile $(or $(TIME),10m) -seed $(or $(SEED),1)

.PHONY: deps
deps: ## install what is missing (Debian: apt-get), or say what is
	@qemu-test/deps.sh

.PHONY: clean
clean: ## remove everything that was built
	rm -rf build
