"""The page of a run, as a file."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_runs import completed, sample_run, write_trial

from executor.errors import UserError
from executor.records import Idea
from executor.store import Store
from ideator_rl.analysis import load_run, render_report, write_report
from ideator_rl.analysis.report import cut, duration, fair_cap

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
    run.record("start", slots=1, problem=text)
    idea = Idea("a", f"[Experiment] {text}", origin=text, parents=(text,))
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


def test_nothing_is_fetched(tmp_path):
    page = render_report(load_run(sample_run(tmp_path, ideas=8)))
    assert not re.search(r"https?:|//[a-z]|@import|url\(", page.replace(str(tmp_path), ""))
    assert not re.findall(r"""(?:src|href)=["'](?!#|data:,)""", page)
    assert "default-src &#39;none&#39;" in page
    assert "unsafe" not in page


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_stay_data(tmp_path, text):
    page = render_report(load_run(hostile_run(tmp_path, text)))
    assert page.count("<script") == page.count("</script") == 2
    assert "<img" not in page
    (idea,) = embedded(page)["ideas"]
    assert idea["diff"] == f"+{text}"
    assert idea["log"] == "\n".join(text.splitlines())


@given(st.text())
def test_any_text_comes_back_from_the_page(text):
    page = render_report(load_run(hostile_run("memory://report-any", text)))
    (idea,) = embedded(page)["ideas"]
    assert idea["text"] == f"[Experiment] {text}"


def test_a_run_without_a_finished_idea_has_a_report(tmp_path):
    run = Store(tmp_path).run("begun")
    run.record("start", slots=2, problem="digits")
    assert "No idea has completed so far" in render_report(load_run(run))


def test_a_run_that_holds_nothing_has_none(tmp_path):
    with pytest.raises(UserError):
        write_report(Store(tmp_path).run("nothing"))


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
