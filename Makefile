# The commands of the platform. `make help` lists them; README.md says what they cost.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help bootstrap up down status info logs trace ssh check test test-all molecule e2e bench bench-ansible lock clean
HOST ?=
TRACE ?=
FORMAT ?= text
# Only on the command line: the environment may have such names for other things, and has USER.
$(foreach name,INVENTORY REQUEST TRACE SERVICE SINCE FOLLOW,$(if $(filter environment,$(origin $(name))),$(eval $(name) :=)))
# A lab's inventory; the default is inventories/lab, inventories/lab-wide has production's shape.
OF_INVENTORY := $(if $(INVENTORY),--inventory "$(INVENTORY)")
LAB := scripts/lab $(OF_INVENTORY)
LOGS_USER := $(if $(filter command line,$(origin USER)),$(USER))

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

bootstrap: ## install what this machine needs to be the control node
	@scripts/bootstrap control

up: bootstrap ## make the lab's hosts and deploy the whole platform on them; goes on where it was interrupted. INVENTORY=inventories/lab-wide: one role a host
	@$(LAB) up

down: ## remove the lab: its hosts, network and generated secrets, and nothing else
	@$(LAB) down

status: ## the state of every host, cluster and service; exits 0 exactly when all is whole (FORMAT=json)
	@$(LAB) status --format $(FORMAT)

info: ## addresses, CA file, administrator, hosts (FORMAT=json)
	@$(LAB) info --format $(FORMAT)

trace: ## draw what one request did in every service: make trace TRACE=<its X-Request-ID> (FORMAT=json)
	@. scripts/env && scripts/trace $(OF_INVENTORY) --format $(FORMAT) -- "$(TRACE)"

logs: ## what the log has of a request, a trace, a person or a service: make logs REQUEST=…|TRACE=…|USER=…|SERVICE=… [HOST=…] [SINCE=10m] [FOLLOW=1] [FORMAT=json]
	@scripts/logs $(OF_INVENTORY) --request "$(REQUEST)" --trace "$(TRACE)" --user "$(LOGS_USER)" --service "$(SERVICE)" --host "$(HOST)" --since "$(SINCE)" $(if $(FOLLOW),--follow) --format $(FORMAT)

ssh: ## open a shell on a host: make ssh HOST=node-a
	@$(LAB) ssh "$(HOST)"

check: ## linters, types, unit tests, syntax: no hosts needed
	@scripts/check

test: ## check, then the lab deployed once, end to end on it, and every Molecule scenario
	@scripts/test

test-all: ## test, and all faults and long loads
	@scripts/test --all

molecule: bootstrap ## every Molecule scenario
	@scripts/molecule --all

e2e: ## the end-to-end tests on the running lab
	@scripts/bootstrap control check test && . scripts/env && pytest -v --tb=short tests/e2e

bench: ## what traces and the log cost, measured on the running lab; about four minutes
	@scripts/bootstrap control test && . scripts/env && python -m tests.bench

bench-ansible: ## what the mitogen strategy saves: site.yml with nothing to do on the running lab, with it and without, in turns
	@scripts/bootstrap control test && . scripts/env && python -m tests.bench.strategies $(OF_INVENTORY)

lock: ## resolve requirements.in and the services' dependencies anew
	@scripts/lock

clean: down ## down, and also forget this machine's caches: host image, packages, builds
	@$(LAB) clean
