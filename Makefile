# make demo: a whole search over real training runs; make test: what a change must pass; make rl: what
# training an ideator takes on a machine without a GPU. Each installs what it needs.
PYTHON ?= python3
BIN := .venv/bin
# A plain path instead of an import hook: every Python process starts 15 ms sooner.
EDITABLE := --config-settings editable_mode=compat

# Tests and trials are thousands of short processes: each would compile every module anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo rl test test-all test-release test-cheats lint bench docs clean

demo: .venv/base
	$(BIN)/ideator-rl search --config recipes/nanogpt_tiny/search/config_demo.yaml

rl: .venv/rl

# Two processes, since most of a test is waiting; threads of theirs would fight for the same cores.
PYTEST := $(BIN)/python -m pytest
BESIDE := OMP_NUM_THREADS=1 $(PYTEST) -n 2 --dist loadfile --no-loadscope-reorder

test: .venv/dev
	$(BESIDE) -m "not (alone or slow or release)"
	$(PYTEST) -m "alone and not slow"

# The rest, twenty minutes: whole training runs, kills, the other locks, servers that fail.
test-all: .venv/dev
	$(BESIDE) -m "slow and not (alone or release)"
	$(PYTEST) -m "alone and slow"

# What a release asks for beside the two: every cheat on every problem under every lock, what happens
# without each defence, kills inside training runs.
test-release: .venv/dev
	$(PYTEST) -m release

test-cheats: .venv/dev
	$(PYTEST) tests/cheats -m "release or not release"

lint: .venv/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

bench: .venv/rl
	$(BIN)/python benchmarks/executor_overhead.py
	$(BIN)/python benchmarks/pipeline.py
	$(BIN)/python benchmarks/sandbox.py
	$(BIN)/python benchmarks/warm_starts.py
	$(BIN)/python benchmarks/controller.py
	$(BIN)/python benchmarks/store.py
	$(BIN)/python benchmarks/store_workers.py
	$(BIN)/python benchmarks/grpo_step.py

# The measured tables and curves of docs/, from real runs (two hours on two cores). The examinations
# are drawn from a secret that everybody may know, so that everybody can measure the same again.
docs: export IDEATOR_RL_DATA = $(CURDIR)/store/docs-data
docs: .venv/rl
	for env in digits demand nanogpt-tiny grpo-tiny; do \
	  $(BIN)/ideator-rl envs prepare $$env --secret docs/public-secret.txt || exit; done
	$(BIN)/python benchmarks/search_comparison.py --write docs/search-comparison.md
	$(BIN)/python benchmarks/idea_table.py --env digits --write docs/ideas-digits.md
	$(BIN)/python benchmarks/idea_table.py --env demand --write docs/ideas-demand.md
	$(BIN)/python benchmarks/hunt.py --env demand --trials 6000 --write docs/hunt-demand.md
	$(BIN)/python benchmarks/idea_table.py --env nanogpt-tiny --write docs/ideas-nanogpt-tiny.md
	$(BIN)/python benchmarks/idea_table.py --env grpo-tiny --write docs/ideas-grpo-tiny.md
	for seed in 0 1 2; do $(BIN)/ideator-rl train --seed $$seed \
	  --config recipes/digits/grpo/config_qwen3_tiny.yaml || exit; done
	$(BIN)/python benchmarks/training_curves.py --out docs/training.svg \
	  $(foreach seed,0 1 2,store/runs/digits-grpo-qwen3_tiny-seed$(seed))

.venv/base: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "ideator-rl needs Python 3.11 or newer; name one with: make PYTHON=python3.12 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing ideator-rl into .venv (mostly PyTorch), which takes a minute or more"
	$(BIN)/python -m pip install --quiet --editable . $(EDITABLE)
	touch $@

.venv/rl: .venv/base constraints/cpu.txt
	@echo "installing what training an ideator needs into .venv, which takes minutes"
	$(BIN)/python -m pip install --quiet --editable '.[rl-cpu]' $(EDITABLE) -c constraints/cpu.txt
	touch $@

.venv/dev: .venv/base constraints/cpu.txt
	@echo "installing what the tests need into .venv, which takes minutes"
	$(BIN)/python -m pip install --quiet --editable '.[dev]' $(EDITABLE) -c constraints/cpu.txt
	touch $@

clean:
	rm -rf .venv store build *.egg-info
