"""The page of several runs, its Markdown, and the command that writes them."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest
from report_runs import (
    begin,
    completed,
    confirmed_run,
    paid_run,
    sample_run,
    training_run,
    write_trial,
)

from executor.records import Idea
from executor.store.runs import RunFolder, Store
from ideator_rl.analysis import load_run
from ideator_rl.analysis.run_curves import Curve
from ideator_rl.analysis.run_groups import Comparison, compare
from ideator_rl.report.comparison import (
    best_charts,
    comparison_markdown,
    group_lines,
    render_comparison,
)
from ideator_rl.report.curve_chart import CurveChart, Line, draw_curves
from tests.ideator_rl.command_line import in_process

HOSTILE = "<img src=x onerror=hit()>|`[a](javascript:hit()) \x1b[2J \u202e"


def found(*runs: RunFolder) -> Comparison:
    return compare([load_run(run) for run in runs])


def words(page: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", page.partition("<body>")[2]).split())


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    store = tmp_path_factory.mktemp("store")
    runs = confirmed_run(store), training_run(store, steps=4), paid_run(store)
    other = Store(store).run("tiny")
    begin(other, "nanogpt-tiny")
    write_trial(other, Idea("a", "x"), completed("a", 0.9))
    return found(*runs, other)


def test_searches_and_training_are_on_one_page(mixed: Comparison) -> None:
    page = render_comparison(mixed)
    told = words(page)
    assert "3 runs on digits" in told
    assert "tiny is not compared: it is about another problem: nanogpt-tiny, and not digits" in told
    confirmation = mixed.runs[0].confirmation
    assert confirmation
    (survivor,) = (idea for idea in confirmation.ideas if idea.survives)
    assert f"The highest confirmed reward, {survivor.mean:.4f} on fresh seeds" in told
    for part in ("Results", "Confirmed winners", "How far ideas came", "Kinds of ideas", "Cost"):
        assert part in told
    assert "distinct codebases executed" in told and "slot hours" in told
    assert "US dollars for language models" in told and "No run has paid" not in told
    assert "<script" not in page and "http" not in page.partition("<body>")[2]


def test_the_markdown_has_every_table(mixed: Comparison) -> None:
    text = comparison_markdown(mixed)
    assert text.count("\n## ") == 6
    rows = [line for line in text.splitlines() if line.startswith("|")]
    plain = [re.sub(r"\\.", "", row).count("|") for row in rows]
    for table in text.split("\n## ")[1:]:
        lines = [re.sub(r"\\.", "", x) for x in table.splitlines() if x.startswith("|")]
        assert len({line.count("|") for line in lines}) == 1
    assert min(plain) > 5


def test_what_others_wrote_is_shown_as_text(tmp_path: Path) -> None:
    run = Store(tmp_path).run("hostile")
    begin(run, HOSTILE)
    write_trial(run, Idea("a", HOSTILE, meta={"title": HOSTILE}), completed("a", 0.5))
    both = found(run, sample_run(tmp_path, 8))
    page, text = render_comparison(both), comparison_markdown(both)
    assert "<img" not in page and "\x1b" not in page and "\u202e" not in page
    assert "<img" not in re.sub(r"\\<", "", text) and "\x1b" not in text and "\u202e" not in text


def test_a_group_has_its_mean_and_its_band() -> None:
    one, other = (Curve(((1, a), (4, b)), ((4, b),), end) for a, b, end in ((1, 3, 6), (2, 4, 5)))
    best, confirmed = group_lines(0, "a", [one, other])
    assert best.points == ((1, 1.5), (4, 3.5)) and best.band == [(1, 2), (3, 4)] and best.end == 6
    assert confirmed.points == ((4, 3.5),) and confirmed.confirmed
    (alone,) = group_lines(1, "b", [Curve(((1, 1.0),), (), 2)])
    assert alone.points == ((1, 1.0),) and alone.band == []


def test_runs_without_a_confirmation_or_a_baseline_have_a_page(tmp_path: Path) -> None:
    run = Store(tmp_path).run("bare")
    begin(run)
    write_trial(run, Idea("a", "x"), completed("a", 0.5))
    told = words(render_comparison(found(run, sample_run(tmp_path, 8))))
    assert "No winner of these runs has been confirmed" in told
    nothing = render_comparison(compare([]))
    assert "0 runs" in words(nothing)


@pytest.mark.parametrize("count", [1, 9])
def test_each_line_has_its_number_and_stays_in_the_box(count: int) -> None:
    lines = tuple(Line(f"{n}", n, ((0.0, 0.5), (1.0, 0.5 + n / 1e3)), 2.0) for n in range(count))
    picture = str(draw_curves(CurveChart("a", "slot hours", lines)))
    numbers = re.findall(r'class="number g\d" x="([\d.]+)" y="([\d.]+)">(\d+)<', picture)
    assert sorted(int(number) for *_, number in numbers) == list(range(1, count + 1))
    places = sorted(float(y) for _, y, _ in numbers)
    assert all(b - a >= 10.9 for a, b in pairwise(places))
    assert "slot hours" in picture and "reward" in picture and "nan" not in picture


def test_no_money_is_no_chart(tmp_path: Path) -> None:
    charts = best_charts(found(sample_run(tmp_path, 8)))
    assert [chart.across for chart in charts] == ["distinct codebases executed", "slot hours"]


def test_the_command_writes_one_page_and_prints_the_results(tmp_path: Path) -> None:
    sample_run(tmp_path / "store", 8)
    training_run(tmp_path / "store", 2)
    runs = [f"store/runs/{name}" for name in ("digits-evolution-seed0", "digits-grpo-seed0")]
    done = in_process(tmp_path, "report", *runs, f"./{runs[0]}", "--out", "both")
    assert done.code == 0, done.err
    assert "report: " in done.out and "executions" in done.out
    assert (tmp_path / "both/report.html").read_text().startswith("<!doctype html>")
    assert (tmp_path / "both/report.md").read_text().startswith("# 2 runs on digits")


def test_mistakes_are_one_line(tmp_path: Path) -> None:
    sample_run(tmp_path / "store", 3)
    run = "store/runs/digits-evolution-seed0"
    done = in_process(tmp_path, "report", run, "store/runs/nothing")
    assert done.code == 2 and "no such run" in done.err and done.err.count("\n") == 1
    assert not (tmp_path / "comparison").exists()
    done = in_process(tmp_path, "report", run, "--out", "there")
    assert done.code == 2 and "name several runs" in done.err
