"""What is read of a run."""

from dataclasses import replace

import pytest
from report_runs import begin, completed, sample_run, training_run, write_trial

from executor.errors import UserError
from executor.problem.problem_file import RewardRule
from executor.records import Idea
from executor.run_records import START, RunStart
from executor.store.runs import Store
from ideator_rl.analysis import load_run
from ideator_rl.analysis.shown_text import MAX_LOG_BYTES, MAX_LOG_LINES, MAX_TEXT_CHARS, tail
from ideator_rl.report.report import render_report


def test_a_run_is_read_back_as_it_was_written(tmp_path):
    data = load_run(sample_run(tmp_path, ideas=24))
    assert (len(data.ideas), len(data.trials), data.unfinished) == (24, 26, 1)
    assert list(data.baseline) == [0, 1, 2]
    assert (data.problem, data.idea_budget) == ("digits", 24)
    assert [t.finished_at for t in data.trials] == sorted(t.finished_at for t in data.trials)
    done = next(t for t in data.ideas if t.measured)
    assert done.text.startswith("[Experiment]")
    assert done.diff.startswith("--- a/train.py")
    assert done.log_tail.endswith("epoch  59  loss 0.0383")


def test_repeats_belong_to_their_idea_and_are_no_ideas(tmp_path):
    data = load_run(sample_run(tmp_path, ideas=24))
    ((idea, repeats),) = data.repeats.items()
    assert idea in {t.idea_id for t in data.ideas}
    assert [r.seed for r in repeats] == [1, 2]


def test_an_empty_run_is_a_one_line_error(tmp_path):
    with pytest.raises(UserError, match="holds no run") as error:
        load_run(Store(tmp_path).run("nothing"))
    assert "\n" not in str(error.value)


def test_a_run_that_has_only_begun_is_no_error(tmp_path):
    run = Store(tmp_path).run("begun")
    begin(run)
    assert load_run(run).ideas == ()


def test_what_makes_the_reward_is_what_the_start_recorded(tmp_path):
    run = Store(tmp_path).run("first")
    rule = RewardRule("charged_s", "inverse", {"loss": 3.28})
    run.keep(START, RunStart("nanogpt", "0123", 0, rule))
    # No number tells which of these makes the reward.
    run.write_outcome("a", replace(completed("a", 0.5), metrics={"loss": 2.0, "charged_s": 2.0}))
    data = load_run(run)
    assert (data.problem, data.metric) == ("nanogpt", "charged_s")
    assert data.reward == "1 / charged_s where loss is at most 3.28"
    assert "1 / charged_s where loss is at most 3.28" in render_report(data)
    assert "(charged s 2.0000)" in " ".join(render_report(data).split())


def test_a_damaged_start_is_a_one_line_error(tmp_path):
    run = sample_run(tmp_path, ideas=2)
    (tmp_path / "runs" / run.name / START).write_text('{"problem": "digits"}')
    with pytest.raises(UserError, match=r"start.json is damaged, .* \(reward: missing\)") as error:
        load_run(run)
    assert "\n" not in str(error.value)


def test_an_outcome_without_its_idea_is_kept(tmp_path):
    run = Store(tmp_path).run("orphan")
    run.write_outcome("a", completed("a", 0.5))
    assert load_run(run).ideas[0].text == ""


@pytest.mark.parametrize("recipe", ["", "- a list", "budget: {ideas: many}", "not: [yaml"])
def test_a_recipe_without_a_budget_gives_none(tmp_path, recipe):
    run = Store(tmp_path).run("odd")
    run.write_recipe(recipe)
    begin(run)
    assert load_run(run).idea_budget is None


def test_long_texts_are_cut(tmp_path):
    run = Store(tmp_path).run("long")
    long = "x" * 1_000_000
    write_trial(run, Idea("a", long), completed("a", 0.5), diff=long, log=long)
    (trial,) = load_run(run).trials
    assert len(trial.text) < MAX_TEXT_CHARS + 50
    assert len(trial.diff) < MAX_TEXT_CHARS + 50
    assert len(trial.log_tail) == MAX_LOG_BYTES


def test_the_tail_is_bounded_in_lines_and_bytes():
    assert tail("a\n" * 1000).count("\n") == MAX_LOG_LINES - 1
    assert len(tail("€" * 100_000).encode()) <= MAX_LOG_BYTES
    assert tail("") == ""


def test_the_steps_of_training_are_read_the_later_line_wins(tmp_path):
    run = training_run(tmp_path, steps=3, answers=4)
    file = tmp_path / "runs" / run.name / "metrics.jsonl"
    with file.open("a") as metrics:
        metrics.write('{"step": 2, "reward/mean": 0.25, "reward/max": NaN, "note": "<b>"}\n')
        metrics.write('{"step": 4, "reward/me')
    data = load_run(run)
    assert list(data.steps) == [1, 2, 3]
    assert data.steps[2] == {"step": 2, "reward/mean": 0.25}
    assert data.steps[3]["ideas/count"] == 4
    assert {idea.epoch for idea in data.ideas} == {1, 2, 3}
    assert data.ideas[0].thinking.startswith("Considered")


def test_lone_surrogates_become_text_that_can_be_written(tmp_path):
    run = Store(tmp_path).run("surrogates")
    folder = tmp_path / "runs/surrogates/ideas/a"
    run.write_outcome("a", completed("a", 0.5))
    (folder / "idea.json").write_text('{"id": "a", "text": "\\ud800 raise it"}')
    assert load_run(run).ideas[0].text.encode() == rb"\ud800 raise it"


@pytest.mark.parametrize(
    ("idea", "title"),
    [
        (Idea("a", "[Experiment] Raise\n it.\n[Code Changes]\nx: 1 -> 2"), "Raise it."),
        (Idea("a", "[Experiment] Raise it.", meta={"title": "adam 2 + gelu"}), "adam 2 + gelu"),
        (Idea("a", "no form"), "no form"),
        (Idea("a", "word " * 900), ("word " * 36)[:179] + "…"),
        (Idea("a", ""), ""),
    ],
)
def test_a_title_is_one_line_on_the_idea(tmp_path, idea, title):
    run = Store(tmp_path).run("titles")
    write_trial(run, idea, completed("a", 0.5))
    assert load_run(run).ideas[0].title == title
