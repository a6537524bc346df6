"""The examples of docs/extending.md work outside the checkout, as a package of somebody else."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from executor import Store
from ideator_rl.kept.plugins import PLUGINS, UNPACKAGED, PluginPackages
from tests.ideator_rl.command_line import Done, ideator_rl
from tests.tiny_problem import make_problem

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/extending.md").read_text()
# By the name in its first line, the text of each file that the page shows.
FILES = dict(re.findall(r"^```\w+\n# ([\w./]+\.\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
Command = Callable[..., Done]
QUICK = ("--env", "tiny", "--executor.sandbox", "best-effort", "--executor.baseline_seeds", "1")


def write_files(folder: Path) -> Path:
    for path, text in FILES.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder with the recipes, a problem, and the package installed in `site`."""
    site = write_files(tmp_path / "site")
    for name in ("config_mine.yaml", "config_evaluation.yaml", "pyproject.toml"):
        (site / name).rename(tmp_path / name)
    project = tomllib.loads((tmp_path / "pyproject.toml").read_text())["project"]
    groups = [
        f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in entries.items())
        for group, entries in project["entry-points"].items()
    ]
    info = site / "my_research-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Name: {project['name']}\nVersion: {project['version']}\n")
    (info / "entry_points.txt").write_text("\n".join(groups))
    make_problem(site / "my_research/curve", "my-curve", "MyCurve-v0")
    make_problem(tmp_path / "tiny")
    return tmp_path


@pytest.fixture
def command(outside: Path) -> Command:
    def run(*words: str) -> Done:
        return ideator_rl(outside, *words, PYTHONPATH=f"{ROOT}:{outside / 'site'}")

    return run


def test_every_example_is_short() -> None:
    examples = {path: text for path, text in FILES.items() if path.endswith(".py")}
    assert len(examples) == 5
    assert all(len(text.splitlines()) <= 40 for text in examples.values())


def test_all_parts_work_together_in_a_search_that_resumes(outside: Path, command: Command) -> None:
    words = ("search", "--config", "config_mine.yaml", *QUICK, "--confirm.top", "0", "--json")
    words += ("--ideator.options.setting", "value")
    done = command(*words, "--budget.ideas", "6")
    assert done.code == 0 and "greedy on tiny: 6 ideas" in done.err, done.err
    done = command(*words)
    result = json.loads(done.out)
    assert result["executed"] == result["completed"] == 12 and result["best"]["reward"] > 20
    run = Store(outside / "store").run(result["run"])
    ideas = [idea for key in run.trials() if (idea := run.idea(key))]
    assert run.kept_numbered(PLUGINS, PluginPackages) == {
        0: PluginPackages(
            {
                f"{part} {name}": "my-research 1.0"
                for part, name in (
                    ("ideator", "values"),
                    ("search", "greedy"),
                    ("workers", "noted"),
                )
            }
            | {"implementer my_research.implementer:SettingsInWords": UNPACKAGED}
        )
    }
    # A share of 0.75 of four.
    modes = [idea.origin for idea in ideas if idea.epoch == 2]
    assert sorted(modes) == ["exploit", "exploit", "exploit", "explore"]
    assert all(idea.parents for idea in ideas if idea.origin == "exploit")
    # The implementer wrote what the words say, and the workers noted every trial once.
    assert run.diff("002-003").count("\n+value = ") == 1
    noted = (outside / "trials.txt").read_text().splitlines()
    assert len(noted) == len(set(noted)) == 12 + 1


def test_the_ideator_is_a_row_of_an_evaluation(outside: Path, command: Command) -> None:
    words = ["evaluate", "--config", "config_evaluation.yaml", *QUICK, "--out", "results"]
    for row in ("wide", "narrow"):
        words += [f"--plugins.{row}.options.setting", "value"]
    done = command(*words, "--json")
    assert done.code == 0, done.err
    rows = {row["name"]: row for row in json.loads(done.out)["rows"]}
    assert rows["wide"]["n"] == rows["narrow"]["n"] == 8
    assert (rows["wide"]["kind"], rows["wide"]["model"]) == ("plugin", "values")
    assert rows["wide"]["curve"][-1] > rows["narrow"]["curve"][-1] > 10


def test_the_objective_gives_advantages(outside: Path) -> None:
    code = """
import numpy as np
from ideator_rl.rl.objectives.group import Group
from ideator_rl.rl.objectives.settings import PluginObjective, advantages, check_objective

mine = PluginObjective("leave_one_out", {"new": 0.1})
check_objective(mine, 3)
group = Group(np.array([0.0, 0.5, 1.0]), np.array([False, True, True]), ["crashed"] * 3,
              ["a", "b", "c"], np.array([False, True, False]), np.zeros(3), 0.0, 0.4)
print(*advantages(mine, group))
"""
    env = {**os.environ, "PYTHONPATH": f"{ROOT}:{outside / 'site'}"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=outside, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    low, middle, high = map(float, done.stdout.split())
    assert middle == 0.0 and high == pytest.approx(-low + 0.1)


def test_what_is_installed_is_listed(command: Command) -> None:
    lines = [json.loads(line) for line in command("plugins", "--json").out.splitlines()]
    mine = {line["kind"]: line for line in lines if line["package"] == "my-research"}
    assert set(mine) == {"ideator", "implementer", "search", "workers", "objective", "problem"}
    assert mine["ideator"] == {
        "kind": "ideator",
        "name": "values",
        "package": "my-research",
        "version": "1.0",
        "target": "my_research.ideator:Values",
    }
    assert "my-curve" in command("envs", "list").out


def test_the_estimate_says_what_it_does_not_know(command: Command) -> None:
    done = command("search", "--config", "config_mine.yaml", *QUICK, "--dry-run", "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found["total"]["at_most"]["money"] == 0 and found["total"]["expected"]["slot_h"] > 0
    assert any("not priced: what the ideator values" in line for line in found["assumptions"])


@pytest.mark.slow
def test_pip_installs_the_package_with_its_environment(tmp_path: Path) -> None:
    source, site, place = write_files(tmp_path / "source"), tmp_path / "site", tmp_path / "place"
    place.mkdir()
    made = ideator_rl(source / "my_research", "envs", "new", "my-curve")
    assert made.code == 0, made.err
    (source / "my_research/my-curve").rename(source / "my_research/curve")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    pip += ["--no-build-isolation", "--target", str(site), str(source)]
    subprocess.run(pip, check=True, capture_output=True, text=True)
    words = ("search", "--config", str(source / "config_mine.yaml"), "--env", "my-curve")
    words += ("--ideator.options.setting", "ridge", "--budget.ideas", "4", "--confirm.top", "0")
    words += ("--executor.baseline_seeds", "1", "--executor.sandbox", "best-effort", "--json")
    done = ideator_rl(place, *words, PYTHONPATH=f"{ROOT}:{site}")
    assert done.code == 0, done.err
    assert json.loads(done.out)["completed"] == 4


@pytest.mark.release
def test_the_other_parts_work_where_trials_run_on_ray(outside: Path, command: Command) -> None:
    pytest.importorskip("ray")
    words = ("search", "--config", "config_mine.yaml", *QUICK, "--budget.ideas", "4", "--json")
    words += ("--ideator.options.setting", "value", "--confirm.top", "0")
    done = command(*words, "--executor.workers", "{kind: ray}")
    assert done.code == 0, done.err
    assert json.loads(done.out)["completed"] == 4 and not (outside / "trials.txt").exists()


@pytest.mark.slow
def test_implementer_and_workers_open_in_the_process_that_a_training_gives_them(
    outside: Path,
) -> None:
    pytest.importorskip("ray")
    code = """
from functools import partial
from pathlib import Path
from executor import Idea
from executor.cluster.connect import connected
from executor.cluster.actor import ActorSettings, ProblemRun
from executor.cluster.remote import start_executors
from gym_envs import find_problem
from ideator_rl.open_executor import plugin_workers
from ideator_rl.open_implementer import open_implementer
from ideator_rl.plugins.plugins import PluginSettings

noted = PluginSettings("noted", {"file": str(Path("trials.txt").absolute())})
with connected():
    run = ProblemRun(
        find_problem("tiny"), "first",
        implementer=partial(open_implementer, PluginSettings("words")),
        workers=partial(plugin_workers, noted),
    )
    settings = ActorSettings((run,), "store", slots=1, sandbox="best-effort")
    [executor] = start_executors("first", settings)
    print("reward", executor.submit(Idea("a", "Set value to 14.")).result().reward)
    executor.close()
"""
    env = {**os.environ, "PYTHONPATH": f"{ROOT}:{outside / 'site'}"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=outside, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0 and "reward 14.0" in done.stdout, done.stderr
    assert (outside / "trials.txt").read_text() == "a completed\n"
