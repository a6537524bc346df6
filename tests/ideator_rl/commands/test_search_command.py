from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from executor import Store
from ideator_rl.analysis import load_run
from ideator_rl.report.report import summary
from tests.ideator_rl.command_line import Done, ideator_rl, in_process, make_workplace


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    return make_workplace(tmp_path)


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done, Done]:
    """A workplace whose search has ended, what it said, and what the same command said again."""
    workplace = make_workplace(tmp_path_factory.mktemp("searched"))
    first = ideator_rl(workplace, "search", "--config", "config.yaml")
    return workplace, first, ideator_rl(workplace, "search", "--config", "config.yaml", "--json")


def test_a_search_fills_its_budget_and_writes_a_report(searched: tuple[Path, Done, Done]) -> None:
    workplace, _, done = searched
    assert done.code == 0, done.err
    result = json.loads(done.out)
    assert result["executed"] == 12 and result["baseline_rewards"] == [10.0, 10.0]
    assert result["best"]["reward"] > 10.0 and Path(result["report"]).is_file()
    run = Store(workplace / "store").run("first")
    outcomes = [run.outcome(key) for key in run.trials() if "." not in key and key != "baseline"]
    assert len(outcomes) == 12 and None not in outcomes


@pytest.mark.parametrize(
    "method",
    [
        "evolution",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("best_of_n", "sequential")),
    ],
)
def test_every_search_ends_with_a_confirmation(workplace: Path, method: str) -> None:
    words = ("search", "--config", "config.yaml", "--search.method", method)
    found = json.loads(ideator_rl(workplace, *words, "--json").out)["confirmation"]
    assert found["state"] == "done" and len(found["baseline"]) == 2
    best = max(found["ideas"], key=lambda idea: idea["first"])
    assert best == found["ideas"][0] and best["survives"] and best["gain"]["low"] > 0
    done = ideator_rl(workplace, *words)
    assert "fresh seeds" in done.out and "survives" in done.out
    assert f"{len(found['ideas'])} of" in done.out and "fresh seeds each" in done.out


def test_terminal_and_report_name_the_same_gain(workplace: Path) -> None:
    # What a seed adds is larger than any gain: another baseline is another gain.
    run = workplace / "tiny/codebase/run.sh"
    run.write_text(run.read_text() + 'echo "noise = $((SEED % 7))" >> candidate/settings.py\n')
    done = ideator_rl(workplace, "search", "--config", "config.yaml")
    told = re.search(r"best idea ([+-][0-9.]+) in reward over the baseline", done.out)
    found = summary(load_run(Store(workplace / "store").run("first")))
    assert told and float(told[1]) == pytest.approx(found["gain"], abs=1e-3)
    assert found["baseline"].n == 2 and found["best_confirmed"] is not None


@pytest.mark.slow
def test_a_confirmation_can_be_switched_off_and_on_again(workplace: Path) -> None:
    words = ("search", "--config", "config.yaml", "--json", "--confirm.top")
    run = Store(workplace / "store").run("first")
    assert json.loads(ideator_rl(workplace, *words, "0").out)["confirmation"] is None
    assert len(run.trials()) == 12 + 2
    assert len(json.loads(ideator_rl(workplace, *words, "1").out)["confirmation"]["ideas"]) == 1
    assert len(run.trials()) == 12 + 2 + 4


def test_where_no_idea_beats_the_baseline_there_is_nothing_to_confirm(workplace: Path) -> None:
    (workplace / "tiny/ideas.yaml").write_text(
        '- id: smaller\n  experiment: Write {value}.\n  changes: "value: 10 -> {value}"\n'
        "  params: {value: [9, 8, 7]}\n"
    )
    done = ideator_rl(workplace, "search", "--config", "config.yaml")
    assert done.code == 0 and "nothing to confirm: no idea was measured above" in done.out
    done = ideator_rl(workplace, "search", "--config", "config.yaml", "--json")
    assert json.loads(done.out)["confirmation"]["state"] == "nothing to confirm"


def test_off_a_terminal_progress_is_plain_lines(searched: tuple[Path, Done, Done]) -> None:
    done = searched[1]
    assert "\x1b" not in done.err + done.out
    assert sum("/12  " in line for line in done.err.split("\n")) == 12
    assert "best ideas" in done.out and "baseline" in done.out and "report: " in done.out


def test_the_same_command_again_runs_nothing_twice(searched: tuple[Path, Done, Done]) -> None:
    workplace, _, said = searched
    files = {p: p.read_bytes() for p in (workplace / "store").rglob("outcome.json")}
    again = ideator_rl(workplace, "search", "--config", "config.yaml", "--json")
    assert again.out == said.out and len(files) > 12
    assert files == {p: p.read_bytes() for p in (workplace / "store").rglob("outcome.json")}


@pytest.mark.slow
def test_a_larger_budget_goes_on_with_the_same_ideas(workplace: Path) -> None:
    ideator_rl(workplace, "search", "--config", "config.yaml", "--budget.ideas", "6")
    before = {p: p.read_bytes() for p in (workplace / "store").rglob("idea.json")}
    done = ideator_rl(workplace, "search", "--config", "config.yaml", "--json")
    assert json.loads(done.out)["executed"] == 12
    assert all(path.read_bytes() == text for path, text in before.items())


@pytest.mark.slow
def test_two_searches_with_one_seed_are_the_same_search(workplace: Path) -> None:
    words = ("search", "--config", "config.yaml", "--run")
    for name in ("a", "b"):
        assert ideator_rl(workplace, *words, name, "--store", f"store-{name}").code == 0
    runs = [Store(workplace / f"store-{name}").run(name) for name in ("a", "b")]
    ideas = [{key: run.idea(key) for key in run.trials() if "." not in key} for run in runs]
    assert len(ideas[0]) == 12 + 1 and ideas[0] == ideas[1]


def test_a_changed_recipe_does_not_mix_with_a_run(searched: tuple[Path, Done, Done]) -> None:
    for words, complaint in (
        (("--search.epoch_size", "5"), "started with search.epoch_size: 4, now it is 5"),
        (("--seed", "5"), "belongs to the seed 0"),
    ):
        done = in_process(searched[0], "search", "--config", "config.yaml", *words)
        assert done.code == 2 and complaint in done.err


def test_a_run_on_another_problem_is_said(searched: tuple[Path, Done, Done]) -> None:
    words = ("--config", "config.yaml", "--env", "digits", "--run", "first")
    done = in_process(searched[0], "search", *words, "--ideator.kind", "library")
    assert done.code == 2 and "the run first belongs to the problem tiny; " in done.err


def test_a_changed_problem_does_not_mix_with_a_run(workplace: Path) -> None:
    ideator_rl(workplace, "search", "--config", "config.yaml", "--budget.ideas", "4")
    evaluate = workplace / "tiny/evaluate.py"
    evaluate.write_text(evaluate.read_text() + "\n# changed\n")
    done = in_process(workplace, "search", "--config", "config.yaml")
    assert done.code == 2 and "belongs to another version of the problem" in done.err


@pytest.mark.slow
def test_wall_time_is_a_budget_too(workplace: Path) -> None:
    run = workplace / "tiny/codebase/run.sh"
    run.write_text(run.read_text() + "sleep 0.5\n")
    words = ("search", "--config", "config.yaml", "--json", "--budget.ideas", "2000")
    done = ideator_rl(workplace, *words, "--budget.seconds", "5")
    assert done.code == 0 and 0 < json.loads(done.out)["executed"] < 2000
    assert json.loads(done.out)["confirmation"]["state"] == "incomplete"
    assert "cancelled" not in done.err.partition("confirming")[2]
    again = ideator_rl(workplace, *words, "--budget.seconds", "5")
    assert json.loads(again.out) == json.loads(done.out)


def test_too_little_wall_time_is_said(workplace: Path) -> None:
    done = ideator_rl(workplace, "search", "--config", "config.yaml", "--budget.seconds", "0.001")
    assert done.code == 2 and "before the baseline has run" in done.err


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--budget.seconds", "0.001"), "before the baseline has run"),
        (("--executor.slots", "4000", "--problem.resources.gpus", "9"), "GPU"),
        (("--ideator", "{kind: api, llm: {api: anthropic, model: m}}"), "no key"),
        (("--ideator", "{kind: checkpoint, model: /nope}"), "no such model"),
    ],
)
def test_a_search_that_fails_leaves_no_empty_run(
    workplace: Path, words: tuple[str, ...], complaint: str
) -> None:
    done = ideator_rl(workplace, "search", "--config", "config.yaml", *words, ANTHROPIC_API_KEY="")
    assert done.code == 2 and complaint in done.err
    assert Store(workplace / "store").runs() == []


def test_a_search_that_fails_takes_no_run_away_that_was_there(workplace: Path) -> None:
    model = workplace / "store/runs/first/model"
    model.mkdir(parents=True)
    words = ("search", "--config", "config.yaml", "--budget.seconds", "0.001")
    assert ideator_rl(workplace, *words).code == 2
    assert model.is_dir()


@pytest.mark.slow
def test_a_run_without_outcomes_survives_a_mistake(workplace: Path) -> None:
    """As a kill before the first end of a trial leaves it, its log of events lost besides."""
    assert ideator_rl(workplace, "search", "--config", "config.yaml").code == 0
    folder = workplace / "store/runs/first"
    for path in folder.glob("ideas/*/outcome.json"):
        path.unlink()
    (folder / "events.jsonl").unlink()
    words = ("search", "--config", "config.yaml", "--search.epoch_size", "3")
    assert ideator_rl(workplace, *words).code == 2
    assert folder.is_dir()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--config", "nope.yaml"), "nope.yaml: no such recipe"),
        (("--config", "config.yaml", "--budget.idea", "3"), "did you mean budget.ideas?"),
        (("--config", "config.yaml", "--env", "nope"), "unknown environment 'nope'"),
        (("--config", "config.yaml", "--store", "config.yaml"), "cannot be written"),
        (("--config", "config.yaml", "--store", "nope://x"), "cannot be opened"),
        (("--config", "config.yaml", "--run", "a/b"), "run name 'a/b'"),
        (("--config", "config.yaml", "--problem.budget.seconds", "-1"), "budget.seconds"),
        (("--config", "config.yaml", "--problem.reward.metric", "nope"), "no metric 'nope'"),
        (("--config",), "expected one argument"),
        ((), "required: --config"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    workplace: Path, words: tuple[str, ...], complaint: str
) -> None:
    done = in_process(workplace, "search", *words)
    assert done.code == 2 and complaint in done.err.rstrip().split("\n")[-1]


@pytest.mark.slow
def test_figures_go_to_wandb_offline(workplace: Path) -> None:
    pytest.importorskip("wandb")
    done = ideator_rl(
        workplace,
        *("search", "--config", "config.yaml", "--tracking.kind", "wandb"),
        WANDB_MODE="offline",
        WANDB_DIR=str(workplace),
    )
    assert done.code == 0, done.err
    (record,) = workplace.glob("wandb/offline-run-*/*.wandb")
    kept = record.read_bytes()
    assert b"best_reward" in kept and b"completion_rate" in kept
    assert b"confirmed/gain_low" in kept and b"confirmed/survivors" in kept
