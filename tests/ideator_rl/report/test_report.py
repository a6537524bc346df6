"""The page of a run, as a file."""

import json
import re
from dataclasses import replace
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_runs import (
    begin,
    completed,
    confirmed_run,
    sample_run,
    training_run,
    write_confirmation,
    write_trial,
)

from executor.errors import UserError
from executor.records import Idea
from executor.store.runs import Store
from executor.text.outside_text import clean_text
from ideator_rl.analysis import load_run
from ideator_rl.analysis.confirmed import Plan, keep_plan
from ideator_rl.report import render_report, write_report
from ideator_rl.report.formats import duration
from ideator_rl.report.report import cut, fair_cap

HOSTILE = (
    "</script><script>window.hit = 1</script>",
    "<img src=x onerror='window.hit = 1'>",
    "<!--<script>",
    "]]></style><svg onload=hit()>",
    '"><a href="javascript:hit()">&lt;{{ 7 * 7 }}{% raw %}',
    "null \0 bell \a line \u2028 override \u202e",
    "__proto__",
)


def embedded(page: str) -> dict:
    return json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])


def hostile_run(store, text: str):
    run = Store(store).run("hostile")
    run.write_recipe(text)
    begin(run, text)
    idea = Idea("a", f"[Experiment] {text}", origin=text, parents=(text,), meta={"thinking": text})
    outcome = completed("a", 0.5)
    outcome.metrics[text] = 1.0
    write_trial(run, idea, outcome, diff=f"+{text}", log=text)
    return run


def test_the_report_lies_in_the_run_folder(tmp_path):
    path = write_report(sample_run(tmp_path, ideas=8))
    assert path == tmp_path / "runs/digits-evolution-seed0/report.html"
    assert path.read_text().startswith("<!doctype html>")
    assert [p.name for p in path.parent.iterdir() if p.name.startswith(".")] == []


def test_the_report_of_a_bucket_lies_in_the_bucket():
    run = sample_run("memory://report-test/store", ideas=8)
    url = write_report(run)
    assert url == "memory://report-test/store/runs/digits-evolution-seed0/report.html"
    assert (
        Store("memory://report-test/store").read_text(url.partition("store/")[2]).count("<html")
        == 1
    )


def test_the_report_names_the_figures_that_count(tmp_path):
    page = render_report(load_run(sample_run(tmp_path, ideas=40)))
    words = " ".join(
        re.sub(r"<[^>]*>", " ", page.partition('<script type="application')[0]).split()
    )
    best = max((i["reward"] or 0) for i in embedded(page)["ideas"])
    assert f"earned a reward of {best:.4f} (accuracy {best:.4f})" in words
    assert "the baseline earns 0.8998 ± 0.0040 (mean and s.d. of 3 seeds)" in words
    assert "Ideas executed 40 / 40" in words
    assert "1 unfinished" in words


def section(page: str, name: str) -> str:
    """The words of a section."""
    html = page.partition(f'<section id="{name}"')[2].partition("</section>")[0]
    return " ".join(re.sub(r"<[^>]*>", " ", html.partition(">")[2]).split())


def test_the_report_says_how_code_was_locked_in(tmp_path):
    run = sample_run(tmp_path, ideas=3)
    page = render_report(load_run(run))
    assert "sandbox strict: bubblewrap 0.11.0" in page and "without isolation" not in page
    begin(run, sandbox="best-effort: process")
    assert "Measured without isolation" in render_report(load_run(run))


def test_confirmed_gains_are_told_with_their_intervals(tmp_path):
    page = render_report(load_run(confirmed_run(tmp_path)))
    words = section(page, "confirmed")
    assert "1 of 3 winners survives on 3 fresh seeds each" in words
    assert "+0.0368 +0.0272 to +0.0464 0.9341 0.9370 −0.0029 survives" in words
    assert "does not survive crashed with seed 700001" in words
    assert "noise floor: baseline ± 2 s.d., 3 seeds" in words
    verdicts = {i["id"]: i["confirmed"] for i in embedded(page)["ideas"] if i["confirmed"]}
    assert sorted(v["survives"] for v in verdicts.values()) == [False, False, True]


def test_without_a_confirmation_there_is_no_section(tmp_path):
    page = render_report(load_run(sample_run(tmp_path, ideas=8)))
    assert 'id="confirmed"' not in page


def test_an_unfinished_or_empty_confirmation_is_said(tmp_path):
    run = sample_run(tmp_path, ideas=8)
    keep_plan(run, Plan(("00-000",), (7, 8), 3))
    words = section(render_report(load_run(run)), "confirmed")
    assert "Not confirmed: 4 of 4 trials" in words
    assert "The run has gone on since, from 3 ideas to 8." in words
    keep_plan(run, Plan((), (), 8))
    words = section(render_report(load_run(run)), "confirmed")
    assert (
        words == "What fresh seeds confirm Nothing to confirm: no idea was measured above the "
        "baseline."
    )


@pytest.mark.parametrize("fresh", [(0.8,), (0.5, 0.5)])
def test_one_seed_or_no_spread_are_shown(tmp_path, fresh):
    run = sample_run(tmp_path, ideas=8)
    best = max(load_run(run).ideas, key=lambda trial: trial.reward).idea_id
    write_confirmation(run, {"baseline": (0.4,) * len(fresh), best: fresh})
    page = render_report(load_run(run))
    words = section(page, "confirmed")
    assert ("undecided" if len(fresh) == 1 else "survives") in words
    assert "nan" not in page.partition('<script type="application')[0].partition("<main>")[2]


def test_a_training_run_is_told_by_its_curves(tmp_path):
    data = load_run(training_run(tmp_path, steps=3, answers=8))
    page = render_report(data)
    words = section(page, "training")
    assert words.startswith("Training 3 steps, 24 answers. From the first step to the last: mean")
    assert f"mean {data.steps[3]['reward/mean']:.4f} max of the step" in words
    assert "baseline 0.8998 ± 0.0080" in words
    assert (
        page.partition('id="kinds"')[0].count('<svg class="chart"')
        == words.count(" Time of a step ") * 9
        == 9
    )
    shown = embedded(page)["training"]
    assert shown["steps"] == [1, 2, 3]
    assert shown["values"][0][0] == [f"{data.steps[n]['reward/mean']:.4f}" for n in (1, 2, 3)]
    assert "of 24 answers;" in page and ">step</button>" in page and ">epoch<" not in page


def test_a_search_has_no_curves_of_training(tmp_path):
    page = render_report(load_run(sample_run(tmp_path, ideas=8)))
    assert 'id="training"' not in page and embedded(page)["training"] is None
    assert ">epoch</button>" in page and 'id="once"' not in page


def test_training_in_a_bucket_has_its_curves(tmp_path):
    page = render_report(load_run(training_run("memory://training-report", steps=2, answers=4)))
    assert "Training 2 steps, 8 answers." in section(page, "training")


@pytest.mark.parametrize(
    "figures",
    [{}, {"reward/mean": 1e308, "reward/max": -1e308}, {"actor/kl": 5e-324}, {"lost": 2.0}],
)
def test_odd_figures_do_not_break_the_page(tmp_path, figures):
    data = load_run(training_run(tmp_path, steps=2, answers=4))
    page = render_report(replace(data, steps={**data.steps, 7: {"step": 7, **figures}}))
    assert embedded(page)["training"]["steps"] == [1, 2, 7]
    drawn = page.partition('<section id="training"')[2].partition("</section>")[0]
    assert not re.search(r"\b(nan|inf)\b", drawn)
    assert ("2 answers could not be executed" in drawn) == ("lost" in figures)


def test_a_long_training_run_keeps_the_page_small(tmp_path):
    data = load_run(training_run(tmp_path, steps=2, answers=4))
    page = render_report(replace(data, steps={n: data.steps[2] for n in range(1, 20_001)}))
    assert len(page.encode()) < 2_000_000
    assert "One of 20 steps is drawn" in page
    steps = embedded(page)["training"]["steps"]
    assert (len(steps), steps[-1]) == (1000, 20_000)


def test_ideas_with_the_same_code_are_told_as_such(tmp_path):
    data = load_run(training_run(tmp_path, steps=4, answers=16))
    page = render_report(data)
    ideas = embedded(page)["ideas"]
    texts = [idea["text"] for idea in ideas]
    assert len(set(texts)) < len(texts)
    assert [idea["same"] for idea in ideas] == [texts.index(text) for text in texts]
    assert 'id="once" checked' in page
    assert all(idea["thinking"].startswith("Considered dropout") for idea in ideas)


def test_nothing_is_fetched(tmp_path):
    page = render_report(load_run(confirmed_run(tmp_path, ideas=30)))
    assert not re.search(r"https?:|//[a-z]|@import|url\(", page.replace(str(tmp_path), ""))
    assert not re.findall(r"""(?:src|href)=["'](?!#|data:,)""", page)
    assert "default-src &#39;none&#39;" in page
    assert "unsafe" not in page


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_stay_data(tmp_path, text):
    run = hostile_run(tmp_path, text)
    write_confirmation(run, {"baseline": (0.1, 0.1), "a": (0.5, 0.5)})
    page = render_report(load_run(run))
    assert page.count("<script") == page.count("</script") == 2
    assert "<img" not in page
    (idea,) = embedded(page)["ideas"]
    assert idea["confirmed"]["survives"] is True
    shown = clean_text(text, 10_000)
    assert idea["diff"] == f"+{shown}"
    assert idea["thinking"] == shown
    assert idea["log"] == shown.removesuffix("\n")
    assert clean_text(page, 10 * len(page)) == page


@given(st.text())
def test_any_text_comes_back_cleaned_from_the_page(text):
    page = render_report(load_run(hostile_run(f"memory://report-{uuid4().hex}", text)))
    (idea,) = embedded(page)["ideas"]
    assert idea["text"] == clean_text(f"[Experiment] {text}", 10_000)


def test_a_run_without_a_finished_idea_has_a_report(tmp_path):
    run = Store(tmp_path).run("begun")
    begin(run)
    assert "No idea has completed so far" in render_report(load_run(run))


def test_a_run_that_holds_nothing_has_none(tmp_path):
    with pytest.raises(UserError):
        write_report(Store(tmp_path).run("nothing"))


@pytest.mark.slow
def test_the_size_is_bounded_however_much_was_printed(tmp_path):
    run = Store(tmp_path).run("large")
    for number in range(400):
        noise = f"{number} é<\0" * 20_000
        write_trial(
            run, Idea(f"i{number}", noise), completed(f"i{number}", 0.5), diff=noise, log=noise
        )
    page = render_report(load_run(run))
    assert len(page.encode()) < 8_000_000
    assert all(len(idea["diff"]) > 500 for idea in embedded(page)["ideas"])


@given(st.lists(st.integers(0, 1000), max_size=40), st.integers(0, 5000))
def test_the_fair_cap_is_the_largest_that_fits(sizes, total):
    def capped(cap):
        return sum(min(size, cap) for size in sizes)

    cap = fair_cap(sizes, total)
    assert capped(cap) <= total
    assert cap >= max(sizes, default=0) or capped(cap + 1) > total


def test_what_is_too_long_loses_its_end_and_a_log_its_start():
    long = "".join(f"line {n}\n" for n in range(1000))
    assert cut(long, 10_000_000) is long
    assert cut(long, 200).startswith("line 0\n")
    assert cut(long, 200, keep_end=True).endswith("line 999\n")
    assert len(cut(long, 200)) <= 200


def test_durations_are_said_in_two_units():
    assert [duration(s) for s in (0.94, 31, 75, 7260)] == [
        "0.9 s",
        "31 s",
        "1 min 15 s",
        "2 h 1 min",
    ]


def test_kinds_of_ideas_are_told_with_what_they_earned(tmp_path):
    data = load_run(sample_run(tmp_path, ideas=40))
    page = render_report(data)
    words = section(page, "kinds")
    settings = [idea for idea in data.ideas if idea.change and idea.change.kind == "setting"]
    best = max(idea.reward for idea in settings if idea.measured)
    assert f"setting {len(settings)} " in words and f"{best:.4f}" in words
    assert "algorithm" in words and "unreadable" not in words
    assert "Kinds of ideas % setting" in words and "epoch" in words
    kinds = {idea["kind"] for idea in embedded(page)["ideas"]}
    assert kinds >= {"setting", "algorithm"}


def test_kinds_of_a_training_run_are_told_by_step(tmp_path):
    page = render_report(load_run(training_run(tmp_path, steps=3, answers=8)))
    assert "Mean reward of a kind" in section(page, "kinds")
    one = render_report(load_run(training_run(tmp_path, steps=1, answers=8, name="one")))
    assert "Mean reward of a kind" not in section(one, "kinds")
