# What a developer does here. `make` alone lists it.
.DEFAULT_GOAL := help

help: ## list what can be made
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

guests: ## rebuild guest/dist from source; fetches a wasm toolchain the first time
	guest/build.sh

.PHONY: help guests
