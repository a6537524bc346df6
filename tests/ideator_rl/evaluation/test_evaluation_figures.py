"""The figures and the page of an evaluation, from ideas that were written and executed here."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from executor import Executor, Idea, Outcome, load_problem
from executor.text.outside_text import clean_text
from ideator_rl.evaluation.figures import (
    Drawn,
    Evaluation,
    EvaluationHeader,
    SourceFigures,
    WrittenIdea,
    curve_csv,
    from_json,
    summarize,
    to_json,
)
from ideator_rl.evaluation.page import LONGEST_NAME, render_evaluation, short_names
from ideator_rl.evaluation.table import comparison_lines
from tests.tiny_problem import larger, make_problem

CRASH = "[Code Changes]\nrun.sh\n<<<<<<< SEARCH\nsleep 0\n=======\nexit 3\n>>>>>>> REPLACE\n"
TEXTS = [larger(20), larger(12), larger(12), larger(9), CRASH, "[Experiment] Think."]
HOSTILE = (
    "</script><script>window.hit = 1</script>",
    "<img src=x onerror='window.hit = 1'>",
    "]]></style><svg onload=hit()>",
    '"><a href="javascript:hit()">&lt;{{ 1234 * 9 }}{% raw %}',
    "null \0 bell \a line \u2028 override \u202e surrogate \ud800",
)
HEADER = EvaluationHeader(
    env="tiny", problem="tiny", title="Name a large number", run="eval", url="store/runs/eval",
    n=6, k=(1, 2, 6), seed=0, trial_seed=500_000, temperature=1.0, implementer="",
    sandbox="strict: bubblewrap",
    recipe="env: tiny\n",
)  # fmt: skip


def drawn(name: str, texts: Sequence[str], outcomes: dict[str, Outcome], kind="checkpoint"):
    ids = {text: outcomes[text].idea_id for text in texts}
    ideas = [
        WrittenIdea(ids[text], text, text[:20], 4, 10 + n, 0.5) for n, text in enumerate(texts)
    ]
    return Drawn(name, kind, f"models/{name}", ideas, [outcomes[text] for text in texts])


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    folder = tmp_path_factory.mktemp("executed")
    problem = load_problem(make_problem(folder / "tiny"))
    texts = [*TEXTS, larger(30)]
    with Executor(problem, store=folder / "store", slots=2, sandbox="best-effort") as executor:
        ended = executor.execute(Idea(f"i{n}", text) for n, text in enumerate(texts) if n != 2)
        baselines = [executor.submit_baseline(seed).result() for seed in (0, 1)]
    outcomes = dict(zip([*TEXTS[:2], *texts[3:]], ended, strict=True))
    after = [larger(30), larger(20), larger(30), larger(20), CRASH, larger(20)]
    rows = [drawn("before", TEXTS, outcomes), drawn("after", after, outcomes)]
    return summarize(HEADER, rows, baselines)


def test_every_figure_of_a_row(found: Evaluation) -> None:
    row = found.rows[0]
    assert (row.name, row.kind, row.model, row.n) == ("before", "checkpoint", "models/before", 6)
    assert [result.reward for result in row.results] == [20.0, 12.0, 12.0, 9.0, 0.0, 0.0]
    assert row.statuses == {"completed": 4, "crashed": 1, "not_implemented": 1}
    assert [(flow.stage, flow.passed) for flow in row.flow] == [
        ("implement", 5),
        ("train", 4),
        ("examine", 4),
    ]
    assert row.completed == pytest.approx(4 / 6) and row.above_baseline == pytest.approx(3 / 6)
    # 53/6, and the deviations' squares sum to 769 - 53²/6.
    assert row.mean.value == pytest.approx(53 / 6)
    assert row.mean.error == pytest.approx(((769 - 53**2 / 6) / 5 / 6) ** 0.5)
    assert row.completed_mean and row.completed_mean.value == pytest.approx(53 / 4)
    # Of the 15 pairs 5 have 20 as the best, 7 have 12, 2 have 9, one has 0.
    assert row.best_at_k[2] == pytest.approx((5 * 20 + 7 * 12 + 2 * 9) / 15)
    assert row.best_at_k[1] == pytest.approx(53 / 6) and row.best_at_k[6] == 20.0
    assert len(row.curve) == 6 and row.curve[1] == row.best_at_k[2]
    # Two samples are one text, which ran once; the last idea never became a codebase.
    assert (row.distinct, row.codebases) == (5, 4)
    assert (row.thinking_tokens, row.idea_tokens, row.sampling_s) == (4, 12.5, 3.0)
    assert row.similarity is not None and 0 < row.similarity < 1 and row.trial_s > 0
    assert [(idea.reward, idea.times) for idea in row.best_ideas] == [(20, 1), (12, 2), (9, 1)]


def test_the_baseline_is_a_row_whose_best_is_no_result(found: Evaluation) -> None:
    row = found.baseline
    assert (row.name, row.kind, row.n) == ("baseline", "baseline", 2)
    assert row.mean.value == 10.0 and row.best_at_k == {1: 10.0} and row.curve == (10.0,)


def test_models_are_compared_with_the_first_in_pairs(found: Evaluation) -> None:
    (comparison,) = found.comparisons
    assert (comparison.row, comparison.against) == ("after", "before")
    mean = comparison.differences[1]
    assert mean.value == pytest.approx((10 + 8 + 18 + 11 + 0 + 20) / 6)
    assert mean.low is not None and 0 < mean.low < mean.value
    assert comparison.differences[6].value == 10 and comparison.differences[6].low is None
    first, _, last = comparison_lines(comparison)
    assert "after - before, best@1: +11.1667, 95 % +" in first and first.endswith(": better")
    assert last.endswith("best@6: +10.0000 (too few ideas for an interval)")


def test_results_and_curve_come_back(found: Evaluation) -> None:
    assert from_json(to_json(found)) == found
    table = list(csv.DictReader(io.StringIO(curve_csv(found))))
    assert len(table) == 6 + 6 + 1
    assert {"row": "before", "k": "6", "best_at_k": "20.0"} in table


def words(page: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", page.partition("<body>")[2]).split())


def test_the_page_tells_what_was_found(found: Evaluation) -> None:
    page = render_evaluation(found)
    said = words(page)
    assert "An idea of after earns 20 on the average, one of before 8.8333" in said
    assert re.search(
        r"The difference of the two is \+11\.167 \(\+[\d.]+ to \+[\d.]+\) : better", said
    )
    assert "too few ideas for an interval" in said and "written 2 times" in said
    assert "4 of 6 completed" in said and "1 not implemented" in said
    assert page.count("<details>") == 3 + 2 + 1
    assert "<script" not in page and "script-src" not in page and "default-src" in page
    assert not re.search(r"https?:|//[a-z]|@import|url\(", page)
    # The page's policy refuses inline styles.
    assert " style=" not in page


def test_a_long_name_loses_its_middle_unless_it_would_look_like_another() -> None:
    path = "models/" + "x" * 80
    names = ["short", f"{path}/step-1", f"{path}/step-2", "a" * 99, "a" * 98]
    short = short_names(names)
    assert short["short"] == "short" and short["a" * 99] == "a" * 99
    assert short[names[1]].startswith("models/xx") and short[names[1]].endswith("x/step-1")
    assert len(short[names[1]]) == len(short[names[2]]) == LONGEST_NAME
    # The whole name is a touch away.
    page = render_evaluation(summarize(HEADER, rows_of(path, "b"), [Outcome("b", "completed", 1)]))
    assert f'title="{path}">models/xx' in page


def rows_of(*texts: str) -> list[Drawn]:
    ended = [Outcome(f"i{n}", "completed", 0.5, content_hash=f"{n}") for n, _ in enumerate(texts)]
    ideas = [
        WrittenIdea(o.idea_id, t, t, None, None, 0.0) for o, t in zip(ended, texts, strict=True)
    ]
    return [Drawn(texts[0], "checkpoint", texts[0], ideas, ended)]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_stay_text(text: str) -> None:
    baselines = [Outcome("baseline", "completed", 0.4)]
    page = render_evaluation(summarize(HEADER, rows_of(text, "b"), baselines))
    assert "<script" not in page and "<img" not in page and page.count("</style") == 1
    assert "<svg onload" not in page and "11106" not in page and "<a href" not in page
    assert clean_text(page, 10 * len(page)) == page


@settings(max_examples=40)
@given(st.lists(st.floats(-1e6, 1e6) | st.none(), min_size=1, max_size=12), st.floats(-5, 5))
def test_any_rewards_make_a_page(rewards: list[float | None], level: float) -> None:
    outcomes = [
        Outcome(f"i{n}", "crashed", 0.0, "train") if r is None else Outcome(f"i{n}", "completed", r)
        for n, r in enumerate(rewards)
    ]
    ideas = [WrittenIdea(outcome.idea_id, "t", "", 1, 2, 0.1) for outcome in outcomes]
    rows = [Drawn(name, "checkpoint", name, ideas, outcomes) for name in ("a", "b", "c")]
    found = summarize(HEADER, rows, [Outcome("baseline", "completed", level)])
    page = render_evaluation(found)
    assert "nan" not in page.partition("<body>")[2] and from_json(to_json(found)) == found
    for x in re.findall(r'[xc]\d?="(-?[\d.e+-]+)%"', page):
        assert -1 <= float(x) <= 101


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", " ="])
def test_no_name_is_a_formula_in_a_spreadsheet(begin: str) -> None:
    drawn = rows_of(f"{begin}HYPERLINK(1)", "b")
    found = summarize(HEADER, drawn, [Outcome("baseline", "completed", 0.4)])
    assert curve_csv(found).splitlines()[1].startswith(f"'{begin}HYPERLINK(1),1,")


def test_what_nothing_is_known_of_is_a_dash() -> None:
    failed = [Outcome("i0", "not_implemented", 0.0, "implement")]
    rows = [Drawn("a", "checkpoint", "a", [WrittenIdea("i0", "", "", 0, 0, 0.1)], failed)]
    found = summarize(HEADER, rows, [Outcome("baseline", "completed", 1.0)])
    row: SourceFigures = found.rows[0]
    assert row.completed_mean is None and row.similarity is None and row.mean.error is None
    assert row.best_at_k == {1: 0.0} and row.best_ideas == ()
    assert "None completed." in words(render_evaluation(found))
