# make demo: a whole search over real training runs; make test: every test; make rl: what training an
# ideator takes on a machine without a GPU. Each installs what it needs.
PYTHON ?= python3
BIN := .venv/bin
# A plain path instead of an import hook: every Python process starts 15 ms sooner.
EDITABLE := --config-settings editable_mode=compat

.PHONY: demo rl test test-slow test-cheats lint bench docs clean

demo: .venv/base
	$(BIN)/ideator-rl search --config recipes/nanogpt_tiny/search/config_demo.yaml

rl: .venv/rl

# Two processes, since most of a test is waiting; threads of theirs would fight for the same cores.
test: .venv/dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile -m "not (alone or slow or slow_cheat)"
	$(BIN)/python -m pytest -m alone

# What takes its time: kills inside a training run, and what has a quicker sister in `make test`.
test-slow: .venv/dev
	$(BIN)/python -m pytest -m slow

# Every cheat on every problem under every lock, and what happens without each defence.
test-cheats: .venv/dev
	$(BIN)/python -m pytest tests/cheats -m "slow_cheat or not slow_cheat"

lint: .venv/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: .venv/rl
	$(BIN)/python benchmarks/executor_overhead.py
	$(BIN)/python benchmarks/pipeline.py
	$(BIN)/python benchmarks/sandbox.py
	$(BIN)/python benchmarks/grpo_step.py

# The measured tables and curves of docs/, from real runs (two hours on two cores).
docs: .venv/rl
	$(BIN)/python benchmarks/search_comparison.py --write docs/search-comparison.md
	$(BIN)/python benchmarks/idea_table.py --env digits --write docs/ideas-digits.md
	$(BIN)/python benchmarks/idea_table.py --env nanogpt-tiny --write docs/ideas-nanogpt-tiny.md
	$(BIN)/python benchmarks/idea_table.py --env grpo-tiny --write docs/ideas-grpo-tiny.md
	for seed in 0 1 2; do $(BIN)/ideator-rl train --seed $$seed \
	  --config recipes/digits/grpo/config_qwen3_tiny.yaml || exit; done
	$(BIN)/python benchmarks/training_curves.py --out docs/training.svg \
	  $(foreach seed,0 1 2,store/runs/digits-grpo-qwen3_tiny-seed$(seed))

.venv/base: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "ideator-rl needs Python 3.11 or newer; name one with: make PYTHON=python3.12 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable . $(EDITABLE)
	touch $@

.venv/rl: .venv/base constraints/cpu.txt
	$(BIN)/python -m pip install --quiet --editable '.[rl-cpu]' $(EDITABLE) -c constraints/cpu.txt
	touch $@

.venv/dev: .venv/base constraints/cpu.txt
	$(BIN)/python -m pip install --quiet --editable '.[dev]' $(EDITABLE) -c constraints/cpu.txt
	touch $@

clean:
	rm -rf .venv store build *.egg-info
