.PHONY: help setup test unit functional e2e e2e-bootc lint docs bench demo demo-stop clean

help:
	@echo 'make demo       deploy a machine with an ISO and its own config'
	@echo '                (KEEP=1 keeps the lab up, make demo-stop ends it)'
	@echo 'make test       unit, functional and end-to-end tests'
	@echo 'make unit, make functional, make e2e    one of them'
	@echo 'make e2e-bootc  deploy a bootable container, which takes minutes'
	@echo 'make lint       style, import layers, types'
	@echo 'make docs       the documentation, into doc/build/html'
	@echo 'make bench      compare the injection with other tools'
	@echo 'make clean      remove what these commands made'

setup:
	@tools/setup.sh test lab

test: setup
	@tools/run-tests.sh

unit functional e2e: setup
	@tools/run-tests.sh $@

e2e-bootc: setup
	@tools/run-tests.sh bootc_e2e

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
	rm -rf .venv .cache .stestr .test-results .tox .mypy_cache build \
	    dist doc/build releasenotes/build *.egg-info
