# What a contributor needs; `make` alone lists it. Works with GNU make 3.81 (macOS) and later.
PYTHON ?= python3
PY := .venv/bin/python
# A file's tests stay together (loadfile: xdist's groups do not work with pytest 9.2), long files start first.
WORKERS ?= -n 2 --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help book test test-latest test-oldest test-colab lint normalise outputs new-chapter remove-chapter set-repo evidence mutants homework homework-check grade bench zip pdf lighthouse published clean environment

help: ## list these targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' Makefile

book: environment ## check the equations, run the chapters that changed, build the website into _build/html
	@$(PY) book/tools/evidence.py
	@$(PY) book/tools/build_book.py

# The checks of the equations have just been run by `make book`, or nothing that they depend on has changed since.
test: environment lint book ## prove everything: lint, build, equations, package, notebooks, every page in a browser
	@$(PY) book/tools/browser.py
	@OMP_NUM_THREADS=1 $(PY) -m pytest $(WORKERS) --ignore-glob='tests/equations/test_[0-9]*'

test-latest: environment ## make test with the newest release of everything, in a copy of its own
	@$(PY) book/tools/versions.py latest

test-oldest: environment ## test the package with the oldest releases that pyproject.toml allows
	@$(PY) book/tools/versions.py oldest

test-colab: environment ## run every notebook as Colab does, in an empty folder; VAE_NOTES_SOURCE=... says from where
	@$(PY) -m pytest tests/book/test_notebooks.py -k "gives_what_it_stores and colab"

lint: environment ## check style, prose, workflows and the form of the notebooks, in seconds
	@$(PY) -m ruff check --quiet .
	@$(PY) book/tools/normalise.py --check
	@$(PY) book/tools/prose.py
	@$(PY) book/tools/workflows.py

normalise: environment ## bring the notebooks into the form in which they are stored, and write what is made from them
	@$(PY) book/tools/normalise.py
	@$(PY) book/tools/repository.py
	@$(PY) book/tools/homework_pages.py

outputs: environment ## run the chapters and store their short text outputs
	@$(PY) book/tools/normalise.py --execute

new-chapter: environment ## start a chapter that passes every test: make new-chapter NAME=14-diffusion
	@$(PY) book/tools/new_chapter.py "$(NAME)"

remove-chapter: environment ## take a chapter out again: make remove-chapter NAME=14-diffusion
	@$(PY) book/tools/new_chapter.py "$(NAME)" --remove

set-repo: environment ## change the repository's address everywhere: make set-repo URL=https://github.com/OWNER/REPO
	@test -n "$(URL)" || { echo "usage: make set-repo URL=https://github.com/OWNER/REPO"; exit 2; }
	@$(PY) book/tools/repository.py "$(URL)"

evidence: environment ## check the displayed equations: all that changed, or ONLY=eq-kl-1d, or ONLY=05
	@$(PY) book/tools/evidence.py $(ONLY)

mutants: environment ## break every displayed formula in many ways and report what the checks miss: ONLY="05 eq-elbo-iw"
	@$(PY) book/tools/mutants.py $(ONLY)

homework: environment ## make the assignments of a key: make homework KEY=... (ONLY=05 for one of them)
	@$(PY) book/tools/homework.py --key "$(KEY)" --only "$(ONLY)"

homework-check: environment ## see that solutions earn all points and copies few, for many keys: KEYS=20 ONLY=05
	@OMP_NUM_THREADS=1 $(PY) book/tools/homework_check.py --keys $(or $(KEYS),20) --only "$(ONLY)"

grade: environment ## grade a folder of notebooks: make grade SUBMISSIONS=folder KEY=...
	@test -n "$(SUBMISSIONS)" || { echo "usage: make grade SUBMISSIONS=folder KEY=..."; exit 2; }
	@OMP_NUM_THREADS=1 $(PY) book/tools/homework.py --key "$(KEY)" --only "$(ONLY)" --submissions "$(SUBMISSIONS)"

bench: environment ## what the training loop costs beside others, and its floor (growth, frames: tests/benchmarks/README.md)
	@$(PY) -m tests.benchmarks.bench_training

zip: book ## the whole site for reading offline, into _build/downloads
	@$(PY) book/tools/downloads.py zip

pdf: book ## the whole book as a PDF, into _build/downloads (needs Chromium or Chrome)
	@$(PY) book/tools/downloads.py pdf

lighthouse: book ## ask Lighthouse about three pages on a phone (needs Node and the network)
	@$(PY) book/tools/lighthouse.py

published: zip pdf ## the site with PDF and zip in it, as the workflow publishes it
	@$(PY) book/tools/downloads.py publish

clean: ## throw away what was built (the environment in .venv stays)
	rm -rf _build build dist .pytest_cache .ruff_cache .hypothesis

environment:
	@$(PYTHON) book/tools/environment.py
