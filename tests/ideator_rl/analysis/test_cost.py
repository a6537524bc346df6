"""What a run has cost, and how its page tells."""

import json
import math
import re
from dataclasses import asdict

import pytest
from report_runs import begin, completed, confirmed_run, paid_run, sample_run, write_trial

from executor.llm.journal import Journal
from executor.records import Idea
from executor.store.runs import Store
from ideator_rl.analysis import load_run
from ideator_rl.analysis.cost import Cost, total
from ideator_rl.analysis.run_cost import run_cost
from ideator_rl.report import formats, render_report


def section(page: str) -> str:
    html = page.partition('<section id="cost"')[2].partition("</section>")[0]
    return " ".join(re.sub(r"<[^>]*>", " ", html.partition(">")[2]).split())


def test_stages_hold_everything_that_was_paid_for(tmp_path):
    run = paid_run(tmp_path)
    found = run_cost(load_run(run))
    assert list(found.stages) == ["ideation", "first answers", "revisions", "baseline", "trials"]
    spent = [Journal(f"{run.url}/llm/{who}").spent() for who in ("ideator", "implementer")]
    assert found.total.money == pytest.approx(sum(charge.money for charge in spent))
    assert found.total.calls == sum(charge.calls for charge in spent)
    assert found.total.tokens == sum(charge.tokens for charge in spent)
    # The cancelled sample is paid for, and the reply under way counts as the most that it can cost.
    assert found.stages["first answers"].money == pytest.approx(0.05 + 0.02 + 0.02 + 0.06)
    assert (found.stages["first answers"].calls, found.stages["first answers"].other) == (4, 3000)
    assert found.stages["ideation"] == Cost(2, 1000, output=900, other=5000, money=0.13)
    assert found.stages["revisions"].cache_read == 4000
    assert (found.stages["baseline"].slot_s, found.stages["trials"].slot_s) == (2.0, 6.0)
    assert found.gpus == 2
    assert found.total == total(found.stages.values())


def test_each_success_bears_its_share_of_everything(tmp_path):
    found = run_cost(load_run(paid_run(tmp_path)))
    counts = {name: count for name, (count, _) in found.each.items()}
    assert counts == {"idea": 3, "completed idea": 2, "improvement": 2, "new best": 2}
    for count, cost in found.each.values():
        for name, value in asdict(cost.times(count)).items():
            assert value == pytest.approx(getattr(found.total, name))


def test_an_idea_bears_its_share_of_the_reply_and_its_own_answers(tmp_path):
    paid = {trial.key: trial.paid for trial in load_run(paid_run(tmp_path)).trials}
    assert paid["000-000"].money == pytest.approx(0.01 + 0.05)
    assert paid["000-001"].money == pytest.approx(0.01 + 0.02 + 0.04)
    assert (paid["000-001"].calls, paid["000-001"].output) == (2, 1000)


def test_trials_on_fresh_seeds_are_the_confirmation(tmp_path):
    data = load_run(confirmed_run(tmp_path))
    found = run_cost(data)
    # Three ideas and the baseline on three seeds each.
    assert found.stages["confirmation"].slot_s == pytest.approx(12 * 0.9)
    assert found.stages["baseline"].slot_s == pytest.approx(3 * 0.9)
    assert not found.asked and found.total.money == 0


def test_what_was_known_before_takes_no_slot(tmp_path):
    run = Store(tmp_path).run("cached")
    begin(run)
    write_trial(run, Idea("a", "An idea."), completed("a", 0.5))
    assert run_cost(load_run(run)) is None
    assert "<h2>Cost" not in render_report(load_run(run))
    run.record("trial", key="a", started=1.0, ended=2.5)
    # The trial of its first codebase crashed, the second one counts as well.
    run.record("trial", key="a", started=3.0, ended=4.0)
    assert run_cost(load_run(run)).total == Cost(slot_s=2.5)


def test_the_page_tells_the_cost_of_stages_and_successes(tmp_path):
    words = section(render_report(load_run(paid_run(tmp_path))))
    assert "first answers 4 12.3 k 1500 16.8 k 0.15 – –" in words
    assert "trials – – – – – 6.0 s 0.0033" in words
    assert "each of 2 new bests" in words and "of the tokens asked came from" in words


def test_the_page_of_a_run_without_language_models_tells_its_slot_time(tmp_path):
    page = render_report(load_run(sample_run(tmp_path, ideas=8)))
    assert re.search(r"^Cost [\d.]+ s of slot time \(baseline 2.7 s, trials", section(page))
    assert 'data-key="money"' not in page and "<table>" not in page.partition('id="cost"')[2][:900]


@pytest.mark.parametrize("share", ["<script>", math.nan, math.inf, None, [1], {"a": 1}, True])
def test_an_odd_share_of_an_ideator_is_none(tmp_path, share):
    run = paid_run(tmp_path)
    run.write_idea("000-000", Idea("000-000", "Idea 0.", meta={"cost": share}))
    data = load_run(run)
    assert next(t for t in data.trials if t.key == "000-000").paid.money == pytest.approx(0.05)
    page = render_report(data)
    json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])


def test_reading_a_run_leaves_no_journal_behind(tmp_path):
    run = sample_run(tmp_path, ideas=3)
    load_run(run)
    assert not (tmp_path / "runs" / run.name / "llm").exists()


@pytest.mark.parametrize(
    ("value", "said"),
    [(0, "0"), (2.333, "2.33"), (967.4, "967"), (12_345, "12.3 k"), (999_600, "1 M"), (2e9, "2 G")],
)
def test_amounts_have_three_digits(value, said):
    assert formats.amount(value) == said


def test_small_money_keeps_two_digits():
    assert [formats.money(x) for x in (1234.5, 0.123, 0.0123)] == ["1,234.50", "0.12", "0.012"]
