.PHONY: help setup fast test unit functional journeys cluster e2e \
    e2e-bootc e2e-loaders e2e-live tempest tempest-api test-cluster test-kills \
    unit-trixie upstream one fuzz lint docs bench demo demo-stop clean

help:
	@echo 'make setup      system packages and .venv; the others do it, too'
	@echo 'make fast       unit and functional tests: minutes'
	@echo 'make unit, make functional, make journeys, make e2e    one suite'
	@echo 'make one T=tests.unit.iso.test_cpio     one module, class or test'
	@echo 'make test       all of these suites'
	@echo 'make e2e-bootc  deploy a bootable container, which takes minutes'
	@echo '                (IMAGE=registry/name:tag deploys that one, and'
	@echo '                ARGS=--help tells how)'
	@echo 'make e2e-loaders  boot every layout of ISOs by every loader, which'
	@echo '                takes half an hour, and write the table of the docs'
	@echo 'make e2e-live   Debian live systems whose cloud-init has to find its'
	@echo '                data; the first time makes the system, in minutes'
	@echo 'make tempest    the plugin of tempest against the lab (T=test_boot_iso)'
	@echo 'make tempest-api  the official API tests on an Ironic with the suite,'
	@echo '                which take minutes'
	@echo 'make test-cluster  kill what a site of several hosts runs for ten'
	@echo '                minutes (ARGS=--help tells how), and judge the rest'
	@echo 'make cluster    the same in small, and in minutes: one of the journeys'
	@echo 'make test-kills kill a conductor at every step of a boot from streams'
	@echo '                or over the network, too: minutes'
	@echo 'make unit-trixie  unit tests on Debian 13 and its Python 3.13, of'
	@echo '                which the first time makes a root, in minutes'
	@echo 'make upstream   upstream'"'"'s own unit tests with our classes in them'
	@echo 'make fuzz       an hour of inputs that are nearly right (SECONDS=...)'
	@echo 'make lint       style, import layers, types'
	@echo 'make docs       the documentation, into doc/build/html'
	@echo 'make bench      compare the injection with other tools'
	@echo 'make demo       deploy a machine with an ISO and its own config'
	@echo '                (KEEP=1 keeps the lab up, make demo-stop ends it)'
	@echo 'make clean      remove what these commands made'

setup:
	@tools/setup.sh test lab

fast: setup
	@tools/run-tests.sh unit functional

test: setup
	@tools/run-tests.sh

unit functional journeys e2e: setup
	@tools/run-tests.sh $@

cluster: setup
	@BASE_TEST_TIMEOUT=600 .venv/bin/python -m testtools.run \
	    tests.journeys.test_cluster

e2e-bootc: setup
	@$(if $(IMAGE)$(ARGS),.venv/bin/python -m tests.bootc_e2e.trial \
	    $(IMAGE) $(ARGS),tools/run-tests.sh bootc_e2e)

e2e-loaders: setup
	@.venv/bin/python -m tests.layouts $(ARGS)

e2e-live: setup
	@tools/run-tests.sh live_e2e

tempest: setup
	@.venv/bin/python -m tests.tempest $(T)

tempest-api: setup
	@.venv/bin/python -m tests.tempest --official $(T)

test-cluster: setup
	@.venv/bin/python -m tests.cluster $(ARGS)

test-kills: setup
	@tools/run-tests.sh kills

unit-trixie: setup
	@.venv/bin/python -m tests.debian13 $(T)

upstream: setup
	@for project in ironic images agent; do \
	    .venv/bin/python -m tests.upstream $$project || exit 1; done

one: setup
	@BASE_TEST_TIMEOUT=600 .venv/bin/python -m testtools.run $(T)

fuzz: setup
	@.venv/bin/python -m tests.fuzz --seconds $(or $(SECONDS),3600)

lint: setup
	@.venv/bin/pip install -q tox
	@.venv/bin/tox -q -e pep8

docs: setup
	@.venv/bin/pip install -q tox
	@.venv/bin/tox -q -e docs

bench: setup
	@.venv/bin/python -m benchmarks.injection

demo:
	@tools/setup.sh lab
	@.venv/bin/python -m lab.demo $(if $(KEEP),--keep)

demo-stop:
	@.venv/bin/python -m lab.demo --stop

clean:
	rm -rf .venv .cache .stestr .test-results .test-times .tox build \
	    bootc-trial.* .mypy_cache dist doc/build releasenotes/build *.egg-info
