# Two commands set everything up on a fresh Debian 12 with Swift 6.3: `make demo` and `make test`.
SHELL := /bin/bash
PREFIX ?= /usr/local
SWIFT_BUILD := swift build -c release
BIN := .build/release

.PHONY: build demo test fuzz bench acceptance install dependencies clean

dependencies:
	@.ci/install-dependencies

build: dependencies
	@$(SWIFT_BUILD) --product isa_ops
	@$(SWIFT_BUILD) --product isa-patch

demo: build
	@Adapters/sample-editor/demo.sh

test: dependencies
	@Tests/run-tests

# Hostile models, found by mutation: make fuzz [SECONDS=60] [JOBS=2]
fuzz: dependencies
	@Tests/Fuzz/run $(or $(SECONDS),60) $(or $(JOBS),2)

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
	@# Made by the commands from what they say of themselves.
	install -d $(addprefix "$(DESTDIR)$(PREFIX)"/share/,man/man1 bash-completion/completions zsh/site-functions \
	  fish/vendor_completions.d)
	Docs/make-man-page $(BIN)/isa-patch >"$(DESTDIR)$(PREFIX)/share/man/man1/isa-patch.1"
	$(BIN)/isa-patch --generate-completion-script bash \
	  >"$(DESTDIR)$(PREFIX)/share/bash-completion/completions/isa-patch"
	$(BIN)/isa-patch --generate-completion-script zsh >"$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_isa-patch"
	$(BIN)/isa-patch --generate-completion-script fish \
	  >"$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/isa-patch.fish"

clean:
	rm -rf .build .build-fuzz .demo
