# What a contributor needs; `make` alone lists it. Works with GNU make 3.81 (macOS) and later.
PYTHON ?= python3
PY := .venv/bin/python
# A file's tests stay together (loadfile: xdist's groups do not work with pytest 9.2), long files start first.
WORKERS ?= -n 2 --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help book test lint normalise outputs new-chapter set-repo bench zip pdf lighthouse clean environment

help: ## list these targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile

book: environment ## build the website into _build/html (runs the chapters whose cells or package changed)
	@$(PY) book/tools/build_book.py

test: environment lint book ## prove everything: lint, build, package, notebooks, every page in a browser
	@$(PY) book/tools/browser.py
	@OMP_NUM_THREADS=1 $(PY) -m pytest $(WORKERS)

lint: environment ## check the style of the code and of the cells
	@$(PY) -m ruff check --quiet .

normalise: environment ## bring the notebooks into the form in which they are stored, and README's list of them
	@$(PY) book/tools/normalise.py
	@$(PY) book/tools/repository.py

outputs: environment ## run the chapters and store their short text outputs
	@$(PY) book/tools/normalise.py --execute

new-chapter: environment ## start a chapter that passes every test: make new-chapter NAME=07-posterior-collapse
	@$(PY) book/tools/new_chapter.py "$(NAME)"

set-repo: environment ## change the repository's address everywhere: make set-repo URL=https://github.com/OWNER/REPO
	@test -n "$(URL)" || { echo "usage: make set-repo URL=https://github.com/OWNER/REPO"; exit 2; }
	@$(PY) book/tools/repository.py "$(URL)"

bench: environment ## compare the training loop with a plain DataLoader loop
	@$(PY) tests/benchmarks/bench_training.py

zip: book ## the whole site for reading offline, into _build/downloads
	@$(PY) book/tools/downloads.py zip

pdf: book ## the whole book as a PDF, into _build/downloads (needs Chromium or Chrome)
	@$(PY) book/tools/downloads.py pdf

lighthouse: book ## ask Lighthouse about three pages on a phone (needs Node and the network)
	@$(PY) book/tools/lighthouse.py

clean: ## throw away what was built (the environment in .venv stays)
	rm -rf _build build dist .pytest_cache .ruff_cache .hypothesis

environment:
	@$(PYTHON) book/tools/environment.py
