"""A training on several problems: its page, those of its problems, and who else reads them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from report_runs import begin, training_run

from executor.store.runs import RunFolder, Store
from ideator_rl.analysis import load_run
from ideator_rl.analysis.metrics_file import problems_of, read_steps, steps_of
from ideator_rl.analysis.run_groups import compare
from ideator_rl.report import write_report
from ideator_rl.rl.progress import step_line
from ideator_rl.run_parts import keep_part, on_problem, parts_of, whole_of, with_trials
from tests.ideator_rl.command_line import in_process


def several_run(store: Path, steps: int = 4) -> RunFolder:
    """A training on digits and on another problem, which has a group in every second step only."""
    whole = Store(store).run("both")
    whole.write_recipe("env: several\nenvs: [digits, other]\nsteps: 4\n")
    lines: dict[int, dict[str, float]] = {}
    for number, problem in enumerate(("digits", "other")):
        part = training_run(store, steps, name=f"both.{problem}")
        if problem == "other":
            (Path(part.url) / "start.json").unlink()
            begin(part, problem, at=1.0)
        keep_part(whole, part)
        metrics = Path(part.url) / "metrics.jsonl"
        for step, figures in read_steps(metrics).items():
            line = lines.setdefault(step, {"gain/mean": -3.0, "gain/max": 2.0, "gain/best": 4.0})
            if number == 0:
                line |= {n: v for n, v in figures.items() if not n.startswith("reward/")}
            if number == 0 or step % 2 == 0:
                own = {n: v for n, v in figures.items() if n.split("/")[0] not in ("time", "step")}
                line |= {f"{problem}/{name}": value for name, value in own.items()}
        metrics.unlink()
    text = "".join(f"{json.dumps(line)}\n" for line in lines.values())
    (Path(whole.url) / "metrics.jsonl").write_text(text)
    return whole


def test_the_page_tells_of_all_problems_and_leads_to_the_reports_of_each(tmp_path: Path) -> None:
    whole = several_run(tmp_path)
    page = Path(write_report(whole)).read_text()
    assert "training on several problems" in page and "Gain, all problems" in page
    for problem in ("digits", "other"):
        assert f'href="../both.{problem}/report.html"' in page
        assert f"On {problem} the best of" in page
        assert (tmp_path / f"runs/both.{problem}/report.html").is_file()
    # A step without a group is a gap, and the mean is that of the steps that have one.
    assert "8 answers in 1 step" not in page and "in 2 steps" in page and "in 4 steps" in page


def test_the_run_of_a_problem_has_the_curves_of_its_own_answers(tmp_path: Path) -> None:
    several_run(tmp_path)
    data = load_run(Store(tmp_path).run("both.other"))
    assert list(data.steps) == [2, 4] and data.problem == "other" and data.parts == ()
    assert {"reward/mean", "completed", "ideas/distinct"} <= data.steps[2].keys()
    assert not any("/reward/" in name or name.startswith("gain/") for name in data.steps[2])
    whole = load_run(Store(tmp_path).run("both"))
    assert [part.problem for part in whole.parts] == ["digits", "other"]
    assert list(whole.steps) == [1, 2, 3, 4] and whole.ideas == ()


def test_both_runs_know_each_other(tmp_path: Path) -> None:
    whole = several_run(tmp_path)
    digits, other = parts_of(whole)
    assert [digits.name, other.name] == ["both.digits", "both.other"]
    keep_part(whole, digits)
    assert len(parts_of(whole)) == 2
    assert (found := whole_of(other)) and found.name == "both"
    assert whole_of(whole) is None and parts_of(other) == []
    assert on_problem(whole, "other").name == "both.other"
    assert on_problem(whole, "grpo-tiny").name == "both"
    assert [run.name for run in with_trials(whole)] == ["both.digits", "both.other"]
    assert [run.name for run in with_trials(digits)] == ["both.digits"]


def test_figures_of_a_problem_are_those_with_its_name() -> None:
    figures = {"step": 3, "gain/mean": 1.0, "a/reward/mean": 2.0, "a-b/reward/mean": 3.0}
    assert problems_of(figures) == ["a", "a-b"]
    assert steps_of({3: figures}, "a") == {3: {"reward/mean": 2.0, "step": 3}}
    assert steps_of({3: figures}, "c") == {} and problems_of({"reward/mean": 1.0}) == []


def test_a_line_of_the_terminal_tells_gains_of_all_and_rewards_of_each() -> None:
    line = dict.fromkeys(("completed", "lost", "time/step", "time/generate", "time/execute"), 0.5)
    line |= {"step": 3, "time/update": 1.0, "ideas/distinct": 5, "ideas/count": 8, "lost": 0}
    line |= {"gain/mean": -2.345, "gain/max": 1.0, "gain/best": 4.5}
    line |= {"digits/reward/mean": 0.81, "digits/reward/max": 0.9}
    told = step_line(line, 40)
    assert told.startswith(
        "step   3/40  gain -2.35  max +1.00  best +4.50  digits 0.8100 to 0.9000"
    )


def test_a_comparison_names_the_runs_that_compare(tmp_path: Path) -> None:
    several_run(tmp_path)
    found = compare([load_run(Store(tmp_path).run(name)) for name in ("both", "both.digits")])
    [(run, why)] = found.left_out
    assert run.name == "both" and why.endswith("its problems: both.digits, both.other")


def test_an_export_has_the_ideas_of_all_problems(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    several_run(tmp_path / "store")
    done = in_process(tmp_path, "export", "store/runs/both", "--out", "ideas")
    assert done.code == 0, done.err
    rows = datasets.load_dataset(str(tmp_path / "ideas"), cache_dir=str(tmp_path / "cache"))
    assert set(rows["train"]["env"]) == {"digits", "other"}
    assert set(rows["train"]["run"]) == {"both.digits", "both.other"}


def test_the_report_command_takes_the_training_and_its_parts(tmp_path: Path) -> None:
    several_run(tmp_path / "store")
    for name in ("both", "both.digits"):
        done = in_process(tmp_path, "report", f"store/runs/{name}")
        assert done.code == 0 and done.out.strip().endswith(f"{name}/report.html"), done.err
