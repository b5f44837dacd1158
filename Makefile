# coppice: every target that stands here works on a machine with Go.

VERSION ?= 0.1.0
TOOL     = go tool -modfile=.ci/tools/go.mod
TREE    ?= configs/examples/hello.toml
SEEDS   ?= 100
SEED    ?=
CHAOS   ?= 60s
KILLS   ?= 10
SOAK    ?= 30m
BENCH   ?=
COUNT   ?= 6
KERNEL  ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/coppice-kernel

export CGO_ENABLED = 0

.PHONY: build run test race check otp chaos kills soak kernel bench gobench fuzz fmt clean

build: ## one static binary: bin/coppice
	go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/coppice ./cmd/coppice

run: build ## builds and runs an example tree in the foreground (TREE=file for another)
	bin/coppice up -f $(TREE)

test: build ## every test; what needs root, a namespace or erl says so where it is missing
	go test ./...

race: ## under the race detector (needs a C compiler): every package, and the program itself on real processes
	CGO_ENABLED=1 go test -race $$(go list ./... | grep -v /integration$$)
	RACE=1 go test -run 'Exits|Upgrade|Unattended|KilledDaemon|KilledKeeper$$' ./integration

otp: ## SEEDS fresh scenarios on real Erlang/OTP and on the tree; SEED=n begins there
	SEEDS=$(SEEDS) SEED=$(SEED) go test -count=1 -v -run '^TestOTP' ./integration

chaos: ## does to a tree what can be done to it, for CHAOS (60s); SEED=n repeats its choices
	CHAOS=$(CHAOS) SEED=$(SEED) go test -count=1 -v -timeout 0 -run '^TestChaos$$' ./integration

kills: ## kills daemon, keeper and both KILLS times as often as the tests do, and at each named step
	KILLS=$(KILLS) go test -count=1 -v -timeout 0 -run 'Killed|Exits|Damaged|CrashPoints' ./integration

soak: ## a load for SOAK (30m), more than a day of an ordinary tree; wants as much in use afterwards as before
	SOAK=$(SOAK) go test -count=1 -v -timeout 0 -run '^TestSoak$$' ./integration

kernel: ## boots a real kernel in qemu with coppice as its first process; fetches both into KERNEL=folder, as root on Debian
	.ci/kernel $(KERNEL)
	KERNEL=$(KERNEL) go test -count=1 -v -timeout 30m -run '^TestKernel' ./integration

check: ## what a reviewer runs: format, vet, staticcheck, dead code, the race detector
	@test -z "$$($(TOOL) gofumpt -l . | tee /dev/stderr)" || { echo 'run `make fmt`'; exit 1; }
	go vet ./...
	$(TOOL) staticcheck ./...
	@test -z "$$($(TOOL) deadcode -test ./... | tee /dev/stderr)"
	$(MAKE) race

bench: ## measures coppice, its peers and bare floors side by side (20 minutes, root for all of it; BENCH=-quick: five) and writes docs/performance.*
	@mkdir -p bin
	go run ./integration/bench -json bin/bench.json -page docs/performance.md -svg docs/performance.svg $(BENCH)

gobench: ## benchmarks of the inner parts, COUNT times, as benchstat reads them: go run golang.org/x/perf/cmd/benchstat@latest FILE
	go test -run '^$$' -count $(COUNT) -bench "Keeping|Start" -benchtime 20x ./integration
	go test -run '^$$' -count $(COUNT) -benchmem -bench . ./configs ./ipc ./tree ./supervisor/... ./cmd/coppice

fuzz: ## ten seconds for each fuzz target
	@for t in $$(grep -rhoE '^func Fuzz[A-Za-z0-9]+' --include='*_test.go' . | sed 's/func //' | sort -u); do \
	  dir=$$(grep -rlE "^func $$t\(" --include='*_test.go' . | head -n 1 | xargs dirname); \
	  echo "$$dir $$t"; go test -run '^$$' -fuzz "^$$t\$$" -fuzztime 10s -fuzzminimizetime 10x $$dir || exit 1; done

fmt:
	$(TOOL) gofumpt -w .

clean:
	rm -rf bin
