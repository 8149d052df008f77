# make help lists what is here.

GO       ?= go
FUZZTIME ?= 20s
# More flags of the demo: make demo DEMO_FLAGS="--one-address --port-base 20000"
DEMO_FLAGS ?=
TIMEOUT  ?= 15m
# How long make torture and make soak go on.
ROUNDS   ?= 200
MINUTES  ?= 60

# The notes application is a Lambda bundle: one static binary called bootstrap.
BOOTSTRAP := examples/notes/bundle/bootstrap

.DEFAULT_GOAL := help
.PHONY: help build demo demo-clean check test bench torture soak golden fuzz race cover sim test-long test-clients

help: ## this list
	@echo "Meridian: make TARGET"; echo
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' Makefile | awk -F'|' '{printf "%-14s %s\n", $$1, $$2}'

build: ## bin/meridian and the notes application's bundle
	@tools/need-go
	$(GO) build -o bin/meridian ./cmd/meridian
	CGO_ENABLED=0 $(GO) build -o $(BOOTSTRAP) ./examples/notes

demo: ## three regions and the notes application on this machine, until Ctrl-C
	@GO="$(GO)" DEMO_FLAGS="$(DEMO_FLAGS)" tools/demo

demo-clean: ## remove the demo's data
	@tools/demo clean

check: ## format, vet, lint, dead code, floors, and the same for darwin
	@tools/need-go
	@GO="$(GO)" tools/check

test: build ## every test, with the race detector where a C compiler is
	@tools/need-clients
	@GO="$(GO)" TIMEOUT="$(TIMEOUT)" tools/test

race: build ## every test with the race detector, each one anew
	$(GO) test -race -count=1 -timeout $(TIMEOUT) ./...

test-long: ## REQUESTS (50000) random requests, asked of the server, its model and dynalite
	@tools/need-go
	@GO="$(GO)" REQUESTS="$(REQUESTS)" tools/test-long

test-clients: build ## AWS SDKs, the CLI and ORMs in a world of their own, into docs/tables.md; SUITES="boto3 aws" for some
	@GO="$(GO)" SUITES="$(SUITES)" tools/test-clients

sim: ## SEEDS=10000 histories in the simulator; SEED=7 or SCRIPT=FILE replays one, with its trace
	@$(GO) run ./internal/sim/run $(if $(SEED),-seed $(SEED) -trace,$(if $(SCRIPT),-script $(SCRIPT) -trace,-seeds $(or $(SEEDS),10000)))

cover: build ## how much of the code the tests run; coverage.html
	$(GO) test -coverpkg=./... -coverprofile=coverage.out -timeout $(TIMEOUT) ./...
	$(GO) tool cover -html=coverage.out -o coverage.html
	@$(GO) tool cover -func=coverage.out | tail -1

golden: ## write the tests' golden files anew; read the difference before you commit
	@grep -rlE --include='*_test.go' 'flag\.Bool\("update"' . | xargs -n1 dirname | sort -u | xargs -I{} $(GO) test {} -count=1 -update
	@grep -rl --include='*_test.go' 'cockroachdb/datadriven' . | xargs -n1 dirname | sort -u | xargs -I{} $(GO) test {} -count=1 -rewrite

fuzz: ## every fuzz test for FUZZTIME (20s)
	@grep -roE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' . | sort | while IFS=: read -r file name; do \
		echo "$$file $${name#func }"; \
		$(GO) test -run '^$$' -fuzz "^$${name#func }\$$" -fuzztime $(FUZZTIME) "$$(dirname $$file)" || exit 1; done

bench: build ## measure, and write bench/RESULTS.md
	$(GO) run ./bench

torture: build ## kill -9 of regions under load, ROUNDS (200) times; into bench/RESULTS.md
	$(GO) run ./bench -only torture -rounds $(ROUNDS) -write

soak: build ## full load for MINUTES (60), with memory and lag; into bench/RESULTS.md
	$(GO) run ./bench -only soak -rounds $(MINUTES) -write
