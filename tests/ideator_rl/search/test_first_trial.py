"""What takes seconds to import is imported while the first trial runs, and not before it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from executor.store.runs import Store
from tests.ideator_rl.command_line import make_workplace
from tests.ideator_rl.evaluation.test_api_rows import research
from tests.ideator_rl.search.test_llm_search import sections
from tests.llm_servers import serve

# Notes when a package is first imported, on the clock by which trials say when they began.
NOTING = """
import json, sys, time
first = {}
def note(event, arguments):
    if event == "import":
        first.setdefault(arguments[0].partition(".")[0], time.monotonic())
sys.addaudithook(note)
from ideator_rl.cli import main
try:
    main(sys.argv[2:])
finally:
    with open(sys.argv[1], "w") as file:
        json.dump(first, file)
"""


def first_imports(folder: Path, *words: str) -> dict[str, float]:
    """When a command imported what, by package."""
    env = {**os.environ, "OPENAI_API_KEY": "sk-secret-1", "ANTHROPIC_API_KEY": "sk-secret-1"}
    done = subprocess.run(
        [sys.executable, "-c", NOTING, str(folder / "imports.json"), *words],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "imports.json").read_text())


def first_trial(url: Path | str, run: str) -> float:
    events = Store(url).run(run).events()
    return min(event["started"] for event in events if event["event"] == "trial")


@pytest.mark.parametrize("api", ["anthropic", "openai"])
def test_a_search_imports_the_sdk_when_its_first_trial_has_begun(tmp_path: Path, api: str) -> None:
    pytest.importorskip(api)
    with serve(api, research) as server:
        make_workplace(tmp_path, sections(api, server))
        words = ("search", "--config", "config.yaml", "--confirm.top", "0", "--budget.ideas", "2")
        imported = first_imports(tmp_path, *words)
    begun = first_trial(tmp_path / "store", "first")
    assert imported[api] > begun and "gymnasium" not in imported


def test_an_evaluation_imports_the_sdk_when_its_first_trial_has_begun(tmp_path: Path) -> None:
    pytest.importorskip("openai")
    make_workplace(tmp_path)
    with serve("openai", research) as server:
        llm = {"api": "openai", "base_url": server.url, "model": "a"}
        recipe = {"apis": {"small": llm}, "implementer": {"kind": "llm", "llm": llm}}
        recipe |= {"env": "tiny", "n": 2, "executor": {"slots": 2}}
        (tmp_path / "config_eval.yaml").write_text(yaml.safe_dump(recipe))
        words = ("evaluate", "--config", "config_eval.yaml", "--out", "results")
        imported = first_imports(tmp_path, *words)
        assert imported["openai"] > first_trial(tmp_path / "store", "results")
        # Without its store all ideas are there still, and only their code is asked for.
        shutil.rmtree(tmp_path / "store")
        imported = first_imports(tmp_path, *words)
        assert imported["openai"] > first_trial(tmp_path / "store", "results")


def test_a_search_whose_baseline_is_known_waits_for_no_trial(tmp_path: Path) -> None:
    make_workplace(tmp_path)
    words = ("search", "--config", "config.yaml", "--confirm.top", "0", "--budget.ideas")
    first_imports(tmp_path, *words, "1")
    before = len(Store(tmp_path / "store").run("first").trials())
    # Nothing is left to run but ideas, which come only after what would be waited for.
    first_imports(tmp_path, *words, "2")
    assert len(Store(tmp_path / "store").run("first").trials()) == before + 1
