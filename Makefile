# Two commands set everything up on a fresh Debian 12 with Swift 6.3: `make demo` and `make test`.
SHELL := /bin/bash
PREFIX ?= /usr/local
SWIFT_BUILD := swift build -c release
BIN := .build/release

.PHONY: build demo test bench acceptance install dependencies clean

dependencies:
	@.ci/install-dependencies

build: dependencies
	@$(SWIFT_BUILD) --product isa_ops
	@$(SWIFT_BUILD) --product isa-patch

demo: build
	@Adapters/sample-editor/demo.sh

test: dependencies
	@Tests/run-tests

bench: build
	@$(BIN)/isa-patch bench attention

# What an issue must show, as a table: make acceptance ISSUE=8 [QUICK=1]
acceptance: build
	@Tests/Acceptance/acceptance "$(ISSUE)"

install: build
	install -d $(addprefix "$(DESTDIR)$(PREFIX)"/,bin lib share/isa-patch/adapters share/isa-patch/recipes)
	install -m 755 $(BIN)/isa-patch "$(DESTDIR)$(PREFIX)/bin/isa-patch"
	install -m 755 $(BIN)/libisa_ops.so "$(DESTDIR)$(PREFIX)/lib/libisa_ops.so"
	install -m 644 Adapters/*.yaml "$(DESTDIR)$(PREFIX)/share/isa-patch/adapters/"
	install -m 644 Calibration/*.yaml "$(DESTDIR)$(PREFIX)/share/isa-patch/recipes/"

clean:
	rm -rf .build .demo
