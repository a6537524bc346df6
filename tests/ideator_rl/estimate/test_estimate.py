"""The price of a search before it starts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from executor.llm.journal import Journal
from executor.problem.problem import Problem
from executor.settings import to_dict
from executor.store.runs import Store
from gym_envs import find_problem
from ideator_rl.analysis import load_run
from ideator_rl.analysis.run_cost import run_cost
from ideator_rl.estimate.estimate import STAGES, Estimate, estimate
from ideator_rl.estimate.past_costs import Past, read_past
from ideator_rl.recipe.read import load_recipe, parse_recipe
from ideator_rl.recipe.recipe import SearchRecipe
from tests.ideator_rl.command_line import ideator_rl, make_workplace

RECIPES = Path(__file__).parents[3] / "recipes"
PRICES = {"input": 4.0, "output": 20.0, "cache_read": 0.4, "cache_write": 5.0}
FIGURES = ("calls", "input", "cache_read", "cache_write", "output", "money", "slot_s")


@cache
def problem(name: str = "nanogpt-tiny") -> Problem:
    return find_problem(name, {})


def make_recipe(api: str = "anthropic", **fields: object) -> SearchRecipe:
    """A search whose ideas and code come from a language model; `fields` replace whole sections."""
    llm = {"api": api, "model": "test-model", "prices": PRICES}
    raw = {
        "env": "nanogpt-tiny",
        "run": "priced",
        "ideator": {"kind": "api", "llm": llm},
        "implementer": {"kind": "llm", "llm": llm},
        "search": {"epoch_size": 20},
        "budget": {"ideas": 60},
    }
    return parse_recipe(raw | fields, "test")


def price(recipe: SearchRecipe, past: Past = Past(), slots: int = 2) -> Estimate:  # noqa: B008
    return estimate(recipe, problem(), past, slots)


# ---- which calls, and what is in them


def test_calls_follow_the_search_method() -> None:
    # 20 first ideas are two calls, 10 that exploit and 10 that explore one each, 12 and 8 three.
    found = price(make_recipe())
    assert found.stages["ideation"].expected.calls == 2 + 2 + 3
    one = price(make_recipe(search={"method": "sequential"}, budget={"ideas": 7}))
    assert one.stages["ideation"].expected.calls == 7
    # Of 25 ideas, 12 exploit and 13 explore: two calls each.
    odd = price(make_recipe(search={"epoch_size": 25}, budget={"ideas": 50}))
    assert odd.stages["ideation"].expected.calls == 3 + 2 + 2


def test_a_search_that_is_shown_its_history_reads_more() -> None:
    shown = price(make_recipe()).stages["ideation"].expected
    blind = price(make_recipe(search={"epoch_size": 20, "method": "best_of_n"}))
    assert shown.prompt > 1.5 * blind.stages["ideation"].expected.prompt


def test_what_prompts_share_is_written_once_and_read_afterwards() -> None:
    found = price(make_recipe()).stages["ideation"].expected
    assert found.cache_read == pytest.approx(6 * found.cache_write) and found.cache_write > 3000
    # Ideas that take longer than a cache holds find it empty: one write an epoch.
    slow = price(make_recipe(), Past(figures={"trial_s": 305.0})).stages["ideation"].expected
    assert slow.cache_write == pytest.approx(3 * found.cache_write)
    # Requests that begin together do not find each other's.
    edits = price(make_recipe()).stages["implementation"].expected
    assert edits.cache_write == pytest.approx(edits.cache_read / (60 * 2 * 1.2 - 16) * 16)


def test_a_server_that_bills_no_cache_has_none() -> None:
    llm = {"api": "openai", "model": "a", "prices": {"input": 1.0, "output": 2.0}}
    found = price(make_recipe(ideator={"kind": "api", "llm": llm})).stages["ideation"]
    assert found.expected.cache_read == found.expected.cache_write == 0
    told = found.expected
    assert told.money == pytest.approx((told.input + 2 * told.output) / 1e6)


def test_every_sample_and_revision_is_used_at_most() -> None:
    llm = {"api": "anthropic", "model": "a", "max_tokens": 5000}
    writer = {"kind": "llm", "llm": llm, "samples": 3, "revisions": 1}
    found = price(make_recipe(implementer=writer)).stages["implementation"]
    assert found.at_most.calls == 60 * 3 * 2
    assert found.at_most.output == 60 * 3 * 2 * 5000
    assert found.expected.calls == pytest.approx(60 * 3 * 1.2)
    mended = price(make_recipe(implementer=writer | {"repair_within_s": 5})).stages
    assert mended["implementation"].at_most.calls == 60 * (3 * 2 + 2)
    longer = (
        mended["execution"].at_most.slot_s - price(make_recipe()).stages["execution"].at_most.slot_s
    )
    assert longer == pytest.approx(60 * 5)


def test_trials_take_their_budget_and_at_most_all_their_time() -> None:
    budget = problem().file.budget
    found = price(make_recipe())
    longest = budget.wall_limit + budget.startup_seconds + budget.examine_seconds
    assert found.stages["execution"].at_most.slot_s == 60 * longest
    assert found.stages["execution"].expected.slot_s == pytest.approx(60 * 0.9 * budget.seconds)
    assert found.stages["baseline"].at_most.slot_s == 3 * longest
    # The best three ideas and the baseline on three seeds each.
    assert found.stages["confirmation"].expected.slot_s == 12 * budget.seconds


def test_ideas_without_a_language_model_cost_slot_time_only() -> None:
    found = price(load_recipe(RECIPES / "nanogpt_tiny/search/config_evolution.yaml"))
    assert found.total.at_most.calls == found.total.at_most.money == 0
    assert found.total.expected.slot_s > 0 and not found.priced
    assert "tokens" not in " ".join(found.assumptions)
    checkpoint = make_recipe(ideator={"kind": "checkpoint", "model": "folder"})
    assert price(checkpoint).stages["ideation"].at_most.calls == 0
    llm = {"api": "replay", "model": "a", "recording": "store/runs/a"}
    replayed = price(make_recipe(ideator={"kind": "api", "llm": llm}))
    assert replayed.stages["ideation"].at_most.calls == 0


def test_a_gpu_is_counted_for_every_slot() -> None:
    found = estimate(make_recipe(), find_problem("nanogpt-tiny", {"resources.gpus": 8}), Past(), 2)
    told = found.figures()["total"]["expected"]
    assert told["gpu_h"] == pytest.approx(8 * told["slot_h"]) and told["gpu_h"] > 0


# ---- budgets


def llm_budget(**budget: float) -> SearchRecipe:
    llm = {"api": "anthropic", "model": "a", "prices": PRICES, "budget": budget}
    return make_recipe(implementer={"kind": "llm", "llm": llm})


@pytest.mark.parametrize("kind", ["money", "calls", "tokens"])
def test_a_budget_that_is_too_small_says_where_the_run_would_end(kind: str) -> None:
    free = getattr(price(make_recipe()).stages["implementation"].expected, kind)
    limit = round(free / 2, 1) if kind == "money" else round(free / 2)
    found = price(llm_budget(**{kind: limit}))
    assert 0.4 * 60 < found.reached < 0.6 * 60
    said = next(line for line in found.limits if "would end the run" in line)
    assert f"implementer.llm.budget.{kind} of {limit}" in said
    assert f"about {found.reached} of 60 ideas" in said
    assert getattr(found.stages["implementation"].expected, kind) <= limit
    if kind != "tokens":
        assert getattr(found.stages["implementation"].at_most, kind) == limit
    # What ends early confirms nothing yet.
    assert found.stages["confirmation"].expected.slot_s == 0


def test_a_budget_that_suffices_bounds_the_worst_case_only() -> None:
    found = price(llm_budget(money=20))
    assert found.reached == 60 and found.stages["implementation"].at_most.money == 20
    assert [line for line in found.limits if "bounds what could come to" in line] == list(
        found.limits
    )


def test_wall_time_is_a_budget_too() -> None:
    found = price(make_recipe(budget={"ideas": 60, "seconds": 300}))
    assert 0 < found.reached < 60 and found.wall_s <= 300 == found.wall_s_at_most
    assert found.total.at_most.slot_s == 600
    assert any(line.startswith("budget.seconds of 300 would end") for line in found.limits)


positive = st.floats(0.1, 5000)
figures = {
    "trial_s": positive,
    "executed": st.floats(0, 1),
    "above": st.floats(0, 1),
    "repaired": st.floats(0, 1),
    "idea_bytes": st.floats(1, 10_000),
    "idea_tokens": positive,
    "edit_tokens": st.floats(1, 100_000),
    "revised": st.floats(0, 5),
}
pasts = st.builds(Past, figures=st.fixed_dictionaries({}, optional=figures))


@st.composite
def recipes(draw: st.DrawFn, budgets: bool) -> SearchRecipe:
    def llm() -> dict[str, object]:
        budget = {"money": draw(st.floats(0, 100)), "calls": draw(st.integers(0, 500))}
        return {
            "api": draw(st.sampled_from(["anthropic", "openai"])),
            "model": "a",
            "max_tokens": draw(st.integers(100, 50_000)),
            "prices": {name: draw(st.floats(0, 50)) for name in PRICES},
            "budget": budget if budgets and draw(st.booleans()) else {},
        }

    writer = {"kind": "llm", "llm": llm(), "samples": draw(st.integers(1, 5))}
    writer |= {"revisions": draw(st.integers(0, 3)), "repair_within_s": draw(st.floats(0, 100))}
    return make_recipe(
        ideator={"kind": "api", "llm": llm()},
        implementer=draw(st.sampled_from([writer, {"kind": "direct"}])),
        search={
            "method": draw(st.sampled_from(["evolution", "best_of_n", "sequential", "islands"])),
            "base": draw(st.sampled_from(["baseline", "parent"])),
            "epoch_size": draw(st.integers(1, 90)),
            "pipeline": draw(st.sampled_from(["epochs", "continuous"])),
        },
        budget={
            "ideas": draw(st.integers(1, 150)),
            "seconds": draw(st.floats(1, 1e6)) if budgets and draw(st.booleans()) else None,
        },
        confirm={"top": draw(st.integers(0, 4)), "seeds": draw(st.integers(1, 4))},
    )


slots = st.integers(1, 20)


@settings(max_examples=60)
@given(recipes(budgets=True), pasts, slots)
def test_nothing_is_expected_that_is_more_than_at_most(
    recipe: SearchRecipe, past: Past, slots: int
) -> None:
    found = price(recipe, past, slots)
    for bounds in (*found.stages.values(), found.total):
        for name in FIGURES:
            assert 0 <= getattr(bounds.expected, name) <= getattr(bounds.at_most, name)
    assert 0 <= found.wall_s <= found.wall_s_at_most
    assert 0 <= found.reached <= found.ideas
    for stage, section in (("ideation", recipe.ideator), ("implementation", recipe.implementer)):
        budget = asdict(found.stages[stage].expected)
        if hasattr(section, "llm") and section.llm.budget.money is not None:
            assert budget["money"] <= section.llm.budget.money
            assert budget["calls"] <= section.llm.budget.calls
    json.dumps(found.figures(), allow_nan=False)


@settings(max_examples=40)
@given(recipes(budgets=False), pasts, slots)
def test_the_total_is_the_sum_of_the_stages(recipe: SearchRecipe, past: Past, slots: int) -> None:
    found = price(recipe, past, slots)
    assert found.limits == () and found.reached == found.ideas
    for column in ("expected", "at_most"):
        for name in FIGURES:
            summed = sum(getattr(getattr(found.stages[s], column), name) for s in STAGES)
            assert getattr(getattr(found.total, column), name) == pytest.approx(summed)


@settings(max_examples=25)
@given(recipes(budgets=False), pasts, slots, st.integers(1, 40))
def test_more_ideas_never_cost_less(
    recipe: SearchRecipe, past: Past, slots: int, more: int
) -> None:
    fewer = price(recipe, past, slots)
    raw = {"ideas": recipe.budget.ideas + more}
    more_of_them = parse_recipe(to_dict(recipe) | {"budget": raw}, "test")
    greater = price(more_of_them, past, slots)
    for column in ("expected", "at_most"):
        for name in ("calls", "output", "money", "slot_s"):
            less = getattr(getattr(fewer.total, column), name)
            # A prompt for `2 ideas` is a byte shorter than one for `one idea`.
            assert less <= getattr(getattr(greater.total, column), name) * (1 + 1e-9) + 2e-4
    assert fewer.wall_s <= greater.wall_s * (1 + 1e-9)


# ---- the past, and the command


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a search that has run, against a server that speaks the real protocol."""
    pytest.importorskip("anthropic")
    from tests.ideator_rl.search.test_llm_search import KEYS, research, sections
    from tests.llm_servers import serve

    folder = tmp_path_factory.mktemp("searched")
    with serve("anthropic", research) as server:
        make_workplace(folder, sections("anthropic", server, prices=PRICES))
        done = ideator_rl(folder, "search", "--config", "config.yaml", **KEYS)
    assert done.code == 0, done.err
    return folder


def test_a_search_is_priced_as_the_last_one_was(
    searched: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(searched)
    recipe = load_recipe("config.yaml")
    tiny = find_problem(recipe.env, recipe.problem)
    past = read_past(recipe, tiny)
    assert past.runs == ("first",) and past.figures["executed"] == 1.0
    found = estimate(recipe, tiny, past, 2)
    run = Store("store").run("first")
    spent = run_cost(load_run(run))
    assert found.stages["ideation"].expected.calls == spent.stages["ideation"].calls
    written = Journal(f"{run.url}/llm/implementer").spent()
    assert found.stages["implementation"].expected.calls == pytest.approx(written.calls, rel=0.3)
    trials = spent.stages["trials"].slot_s
    assert found.stages["execution"].expected.slot_s == pytest.approx(trials, rel=0.05)
    assert spent.total.money < found.total.at_most.money
    assert "as in 1 earlier run of the store" in found.assumptions[0]


def test_other_problems_and_models_tell_nothing(
    searched: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(searched)
    recipe = load_recipe("config.yaml", {"problem.budget.seconds": "7"})
    assert read_past(recipe, find_problem(recipe.env, recipe.problem)) == Past()
    other = load_recipe("config.yaml", {"ideator.llm.model": "other"})
    past = read_past(other, find_problem(other.env, other.problem))
    assert past.figures["trial_s"] and past.figures["edit_tokens"]
    assert "idea_tokens" not in past.figures


def test_a_dry_run_starts_nothing_and_needs_nothing(tmp_path: Path) -> None:
    make_workplace(tmp_path, json_sections())
    before = sorted(tmp_path.rglob("*"))
    words = ["search", "--config", "config.yaml", "--dry-run", "--json", "--budget.ideas", "30"]
    # Neither SDK can be imported, and there is no key.
    code = (
        "import sys; sys.modules['anthropic'] = sys.modules['openai'] = None\n"
        f"from ideator_rl.cli import main; main({words!r})"
    )
    keyless = {name: value for name, value in os.environ.items() if "API_KEY" not in name}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=keyless, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["run"], told["ideas"], told["slots"]) == ("first", 30, 2)
    assert list(told["stages"]) == list(STAGES)
    assert told["stages"]["implementation"]["expected"]["money"] > 0
    assert told["wall_h"]["expected"] <= told["wall_h"]["at_most"]
    assert sorted(tmp_path.rglob("*")) == before


def json_sections() -> str:
    llm = {"api": "anthropic", "model": "test-model", "prices": PRICES, "budget": {"money": 1}}
    text = json.dumps(llm)
    return f"ideator: {{kind: api, llm: {text}}}\nimplementer: {{kind: llm, llm: {text}}}\n"


def test_the_table_tells_the_price_and_what_would_end_the_run(tmp_path: Path) -> None:
    make_workplace(tmp_path, json_sections())
    done = ideator_rl(tmp_path, "search", "--config", "config.yaml", "--dry-run")
    assert done.code == 0 and done.err == ""
    lines = [" ".join(line.split()) for line in done.out.splitlines()]
    assert any(line.startswith("about ") and line.endswith("expected at most") for line in lines)
    assert any(
        line.startswith("implementer.llm.budget.money of 1 US dollars would end") for line in lines
    )
    assert "confirmation slot time 0.0 s 14 min 0 s" in lines
    assert "nothing was started of first" in lines


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*/search/*.yaml")), ids=lambda p: str(p))
def test_every_shipped_recipe_has_a_price(path: Path) -> None:
    recipe = load_recipe(path)
    known = {"nanogpt": "nanogpt-tiny"}
    name = known.get(recipe.env, recipe.env)
    found = estimate(recipe, find_problem(name, recipe.problem), Past(), 2)
    assert found.reached == found.ideas, found.limits
    assert found.total.expected.slot_s > 0
    assert found.priced == ("prices: {" in path.read_text())
