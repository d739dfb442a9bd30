# byeguard's build. `make help` lists the targets; anything in capitals can be
# given on the command line: make demo CALLS=1000

SHELL := /bin/sh
.DEFAULT_GOAL := help

GO        ?= go
VERSION   ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS   ?= -X main.version=$(VERSION)
# Packages tested at once. More than the cores there are makes tests with a real
# Kamailio wait for each other's processes.
P         ?= 2
# Tests of a package that run at once. Most of them wait for time-outs of SIP, so
# there may be more of them than cores: pkg/app takes 5 minutes in place of 8.
PARALLEL  ?= 4
TIMEOUT   ?= 20m
PKG       ?= ./...
TESTFLAGS ?=
BENCH     ?= .
FUZZTIME  ?= 10s
CALLS     ?= 200
DEMOFLAGS ?=
# The chaos suite. Without SEED it is drawn from the clock, and printed.
DURATION  ?= 20m
SEED      ?=
RATE      ?= 100
FAULTS    ?= all
CHAOSFLAGS ?=

CACHE     := $(CURDIR)/.cache
TRIXIE    := $(CACHE)/trixie
# The linter is no dependency of the program, so it is not in go.mod.
GOLANGCI_VERSION := v2.15.0
GOLANGCI  := $(CACHE)/bin/golangci-lint-$(GOLANGCI_VERSION)

# Debian packages. The demo needs no more than a proxy and a database.
DEMO_PACKAGES := kamailio kamailio-postgres-modules kamailio-json-modules \
	kamailio-extra-modules kamailio-utils-modules postgresql
TEST_PACKAGES := $(DEMO_PACKAGES) baresip linphone-cli mariadb-server-core mariadb-client-core \
	chromium fonts-dejavu-core \
	prometheus
RACE_PACKAGES := $(TEST_PACKAGES) gcc libc6-dev

# Go files and shell scripts of ours; .cache holds a whole Debian.
GO_DIRS := $(wildcard cmd pkg sql docs kamailio-cfg)
SCRIPTS := .ci/packages .ci/chroot .ci/run

# Tests find Debian 13 by this; empty where it could not be made.
BYEGUARD_TRIXIE ?= $(shell test -e $(TRIXIE)/.complete && echo $(TRIXIE))
export BYEGUARD_TRIXIE

.PHONY: help
help: ## Show this list
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build bin/byeguard
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/byeguard ./cmd/byeguard

.PHONY: deps
deps: ## Install what the tests need: Debian packages, Go modules, Debian 13's Kamailio
	@.ci/packages $(TEST_PACKAGES)
	$(GO) mod download
	@$(MAKE) --no-print-directory try-chroot

.PHONY: chroot
chroot: ## Put Debian 13 with Kamailio 6.0 into .cache/trixie (once; root or sudo)
	@.ci/chroot $(TRIXIE)

# The same, but where it is impossible tests go on without; never so in CI.
.PHONY: try-chroot
try-chroot:
	@.ci/chroot $(TRIXIE) || { status=$$?; \
		if test "$$status" != 3 || test "$${CI:-}" = true; then exit "$$status"; fi; }

.PHONY: test
test: try-chroot ## Run all tests, with a real Kamailio and PostgreSQL (PKG=./pkg/call, P=1, TESTFLAGS=-v)
	@.ci/packages $(TEST_PACKAGES)
	$(GO) test -p $(P) -parallel $(PARALLEL) -count=1 -timeout $(TIMEOUT) $(TESTFLAGS) $(PKG)

.PHONY: race
race: try-chroot ## Run all tests with the race detector
	@.ci/packages $(RACE_PACKAGES)
	$(GO) test -race -p $(P) -parallel $(PARALLEL) -count=1 -timeout $(TIMEOUT) $(TESTFLAGS) $(PKG)

.PHONY: bench
bench: ## Measure the figures of docs/performance.md, some 5 minutes (BENCH=regexp, PKG=./pkg/app)
	@.ci/packages $(DEMO_PACKAGES)
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem -p 1 -timeout $(TIMEOUT) $(TESTFLAGS) \
		$(if $(filter ./...,$(PKG)),./pkg/call ./pkg/evapi ./pkg/guard ./pkg/app,$(PKG))

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME
	@grep -roE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' $(GO_DIRS) | sort | while IFS=: read -r file func; do \
		target=$${func#func }; \
		echo "$$target in $$(dirname "$$file")"; \
		$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "./$$(dirname "$$file")" || exit 1; \
	done

# Not by `go run`, which turns every exit status into 1.
.PHONY: demo
demo: build ## Show a stock Kamailio losing BYEs and byeguard repairing them (CALLS=200)
	@.ci/packages $(DEMO_PACKAGES)
	@$(GO) build -trimpath -o bin/byeguard-demo ./cmd/byeguard-demo
	@bin/byeguard-demo --calls $(CALLS) $(DEMOFLAGS)

.PHONY: chaos
chaos: build ## Run byeguard under faults and judge it (DURATION=20m SEED=1 FAULTS=kill,evapi-cut RATE=100)
	@.ci/packages $(DEMO_PACKAGES)
	@$(GO) build -trimpath -o bin/byeguard-chaos ./cmd/byeguard-chaos
	@bin/byeguard-chaos --duration $(DURATION) --rate $(RATE) --faults $(FAULTS) \
		$(if $(SEED),--seed $(SEED)) $(CHAOSFLAGS)

.PHONY: lint
lint: lint-go lint-files ## Check form: gofmt, vet, golangci-lint, go.mod, scripts, compose file, links

.PHONY: lint-go
lint-go: $(GOLANGCI)
	@unformatted=$$(gofmt -l $(GO_DIRS)); if test -n "$$unformatted"; then \
		echo "not formatted, run gofmt -w:"; echo "$$unformatted"; exit 1; fi
	$(GO) mod verify
	$(GO) mod tidy -diff
	$(GO) vet ./...
	$(GOLANGCI) run ./...

.PHONY: fmt
fmt: $(GOLANGCI) ## Format the Go files as lint wants them (gofmt, order of imports)
	$(GOLANGCI) fmt ./...

.PHONY: lint-files
lint-files:
	@for script in $(SCRIPTS); do \
		case $$(head -n 1 $$script) in *bash) bash -n $$script ;; *) sh -n $$script ;; esac || exit 1; done
	@if command -v shellcheck >/dev/null; then shellcheck $(SCRIPTS); else echo "shellcheck is not installed, scripts were only parsed"; fi
	@if docker compose version >/dev/null 2>&1; then \
		POSTGRES_PASSWORD=lint WEB_TOKEN_SHA256=lint docker compose -f docker-compose.yml config -q; \
	else echo "no docker compose here, docker-compose.yml is checked by the test in docs/"; fi
	$(GO) test -count=1 ./docs/

# Built beside its place and moved there, so that an interrupted build leaves
# nothing that looks whole. Older versions go.
$(GOLANGCI):
	@echo "building golangci-lint $(GOLANGCI_VERSION), once (some minutes)"
	@rm -rf $(CACHE)/bin/build && mkdir -p $(CACHE)/bin/build
	@GOBIN=$(CACHE)/bin/build GOFLAGS= nice $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	@rm -f $(CACHE)/bin/golangci-lint-*
	@mv $(CACHE)/bin/build/golangci-lint $@ && rmdir $(CACHE)/bin/build

.PHONY: clean
clean: ## Remove what was built; .cache (linter, Debian 13) stays, see clean-all
	rm -rf bin
	$(GO) clean -testcache

.PHONY: clean-all
clean-all: clean ## Remove .cache too (root or sudo: Debian 13's files belong to root)
	if test "$$(id -u)" = 0; then rm -rf --one-file-system .cache; else sudo rm -rf --one-file-system .cache; fi
