"""What a part of another package does wrong is one line that names the key of the recipe."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from executor import Idea, Outcome, load_problem
from executor.errors import UserError
from executor.llm.records import BudgetSpent
from ideator_rl.ideators.ideator import Executed, IdeaRequest, propose_all
from ideator_rl.ideators.plugin import PluginIdeator
from ideator_rl.open_executor import plugin_workers
from ideator_rl.plugins.implementer import PluginImplementer
from ideator_rl.plugins.plugins import PluginSettings
from ideator_rl.recipe.sections import SearchSettings
from ideator_rl.rl.train_recipe import read_train_recipe
from ideator_rl.search.methods import open_method
from tests.ideator_rl.command_line import Done, in_process, make_workplace

PARTS = """
from executor import Implementation, UserError
from executor.llm.records import BudgetSpent
from ideator_rl.ideators import Proposal
from ideator_rl.search import Part

NUMBER = 5

class Ideator:
    def __init__(self, problem, *, gives="an idea"):
        if gives == "nothing":
            raise RuntimeError("no model\\nis there")
        if gives == "advice":
            raise UserError("log in first")
        self.gives = gives
    async def propose(self, request):
        if self.gives == "an error":
            raise KeyError("x")
        if self.gives == "a budget":
            raise BudgetSpent("the money is spent")
        yield [Proposal("[Experiment] …"), self.gives] if self.gives != "a set" else [
            Proposal("[Experiment] …", (), {"values": {1, 2}})
        ]
    async def close(self):
        pass

class Returns(Ideator):
    async def propose(self, request):
        return []

def no_ideator(problem):
    return "a text"

def takes_nothing():
    pass

class Implementer:
    def __init__(self, problem, *, changes):
        self.files = {**problem.codebase, **changes}
    async def implement(self, idea):
        if idea.text == "none":
            return self.files
        return Implementation("completed", self.files, diff="of its own")
    async def repair(self, idea, exchange, outcome, log):
        raise ValueError("not today")
    async def close(self):
        pass

def method(epoch, size, history, baseline, rng, *, count=1, mode="sample", gives=Part):
    return [Part(mode, count)] if gives is Part else [gives]

class Workers:
    slots, sandbox = "many", None
    def __init__(self, problem, sandbox, slots):
        pass
    start = run = close = None
"""


@pytest.fixture(autouse=True)
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of somebody else's."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site/somebodys_parts.py").write_text(PARTS)
    (tmp_path / "site/somebodys_mistake.py").write_text("import os\nos.no_such_thing\n")
    monkeypatch.syspath_prepend(tmp_path / "site")


def named(name: str, **options: Any) -> PluginSettings:
    return PluginSettings(f"somebodys_parts:{name}", options)


@pytest.fixture
def search(tmp_path: Path) -> Callable[..., Done]:
    make_workplace(tmp_path)

    def run(*words: str) -> Done:
        return in_process(tmp_path, "search", "--config", "config.yaml", *words)

    return run


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("x", "{}", "ideator.name: no ideator 'x' is installed; there: none is"),
        ("no_such_module:X", "{}", "ideator.name: no_such_module:X cannot be imported: ModuleNot"),
        ("somebodys_mistake:X", "{}", "ideator.name: .* cannot be imported: AttributeError"),
        ("somebodys_parts:Other", "{}", "ideator.name: .* cannot be imported: AttributeError"),
        ("no-module:X", "{}", "ideator.name: 'no-module:X' is not of the form package.module:Name"),
        ("somebodys_parts:NUMBER", "{}", "ideator.name: .* is neither a function nor a class"),
        ("somebodys_parts:takes_nothing", "{}", "ideator.name: .* has to take problem, and then"),
        ("somebodys_parts:no_ideator", "{}", "ideator.name: .* gave a str, which has no propose"),
        ("somebodys_parts:Ideator", "{wants: 1}", "ideator.options: .* argument 'wants'"),
        (
            "somebodys_parts:Ideator",
            "{gives: nothing}",
            "ideator: .*Error: no model is there",
        ),
        ("somebodys_parts:Ideator", "{gives: advice}", "ideator: log in first"),
    ],
)
def test_a_mistake_is_one_line_before_anything_starts(
    search: Callable[..., Done], tmp_path: Path, name: str, options: str, told: str
) -> None:
    words = ("--ideator.kind", "plugin", "--ideator.name", name, "--ideator.options", options)
    done = search(*words)
    [line] = done.err.splitlines()
    assert done.code == 2 and line.startswith("ideator-rl: ")
    with pytest.raises(UserError, match=told):
        raise UserError(line)
    assert not list((tmp_path / "store").rglob("outcome.json"))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--search.method", "plugin"), "search.name: required with the method plugin"),
        (("--search.name", "x"), "search.name, search.options: only of the method plugin"),
        (
            ("--search.method", "plugin", "--search.name", "x"),
            "search.name: no search 'x' is installed",
        ),
        (
            ("--implementer.kind", "plugin", "--implementer.name", "x"),
            "implementer.name: no implementer 'x' is installed",
        ),
        (
            ("--executor.workers.kind", "plugin", "--executor.workers.name", "x"),
            "executor.workers.name: no workers 'x' is installed",
        ),
        (("--ideator.kind", "plugin"), "ideator.name: required, but missing"),
    ],
)
def test_every_section_names_its_own_key(
    search: Callable[..., Done], words: tuple[str, ...], told: str
) -> None:
    done = search(*words)
    [line] = done.err.splitlines()
    assert done.code == 2 and told in line


@pytest.mark.parametrize(
    ("name", "gives", "told"),
    [
        ("Ideator", "an error", "ideator: the plug-in .*Ideator raised KeyError: 'x'"),
        ("Ideator", "an idea", "ideator: the plug-in .* gave a str for an idea"),
        ("Ideator", "a set", "ideator: the plug-in .* gave an idea that cannot be stored"),
        ("Returns", "", "propose has to be an async generator"),
    ],
)
def test_what_is_no_idea_ends_the_run_in_one_line(
    tmp_path: Path, name: str, gives: str, told: str
) -> None:
    problem = load_problem(make_workplace(tmp_path) / "tiny")
    ideator = PluginIdeator(named(name, gives=gives), problem, "ideator")
    request = IdeaRequest("sample", 2, (), (), 0.0, Random(0))
    with pytest.raises(UserError, match=told):
        asyncio.run(propose_all(ideator, request))


def test_an_ideator_may_say_that_its_budget_is_spent(tmp_path: Path) -> None:
    problem = load_problem(make_workplace(tmp_path) / "tiny")
    ideator = PluginIdeator(named("Ideator", gives="a budget"), problem, "ideator")
    request = IdeaRequest("sample", 2, (), (), 0.0, Random(0))
    with pytest.raises(BudgetSpent):
        asyncio.run(propose_all(ideator, request))


@pytest.mark.parametrize(
    ("changes", "status", "told"),
    [
        ({"settings.py": "value = 11\nbonus = 0\n"}, "completed", ""),
        ({"other.py": "x = 1\n"}, "rejected", "other.py may not be edited"),
        ({"../up.py": "x = 1\n"}, "rejected", "is not a plain path inside the codebase"),
        ({"settings.py": "# " + "".join(map(chr, range(19968, 40000)))}, "rejected", "KiB"),
    ],
)
def test_the_rules_hold_for_the_code_of_a_plugin(
    tmp_path: Path, changes: dict[str, str], status: str, told: str
) -> None:
    problem = load_problem(make_workplace(tmp_path) / "tiny")
    implementer = PluginImplementer(named("Implementer", changes=changes), problem)
    made = asyncio.run(implementer.implement(Idea("a", "some")))
    assert made.status == status and told in made.detail
    assert ("+value = 11" in made.diff) is (status == "completed")
    assert made.diff != "of its own"


def test_an_implementer_of_the_baseline_alone_is_refused_before_a_search_on_parents(
    search: Callable[..., Done],
) -> None:
    words = ("--implementer.kind", "plugin", "--implementer.name", "somebodys_parts:Implementer")
    done = search(*words, "--implementer.options.changes", "{}", "--search.base", "parent")
    assert done.code == 2 and done.err.splitlines()[-1].startswith(
        "ideator-rl: search.base: parent: the implementer somebodys_parts:Implementer changes the "
        "baseline only"
    )


def test_it_is_refused_before_a_training_on_parents(tmp_path: Path) -> None:
    pytest.importorskip("verl")
    make_workplace(tmp_path)
    words = ["--implementer.kind", "plugin", "--implementer.name", "somebodys_parts:Implementer"]
    words += ["--implementer.options.changes", "{}", "--executor.sandbox", "best-effort"]
    words += ["--prompts.kind", "puct", "--prompts.base", "parent", "--env", f"{tmp_path}/tiny"]
    recipe = Path("recipes/digits/grpo/config_qwen3_tiny.yaml").absolute()
    done = in_process(tmp_path, "train", "--config", str(recipe), *words)
    assert done.code == 2 and done.err.splitlines()[-1].startswith(
        "ideator-rl: prompts.base: parent: the implementer somebodys_parts:Implementer changes the "
        "baseline only"
    )
    assert not (tmp_path / "store/runs").exists()


def test_what_is_no_codebase_ends_the_run_in_one_line(tmp_path: Path) -> None:
    problem = load_problem(make_workplace(tmp_path) / "tiny")
    implementer = PluginImplementer(named("Implementer", changes={}), problem)
    with pytest.raises(UserError, match=r"implementer: the plug-in .* gave a dict for a codebase"):
        asyncio.run(implementer.implement(Idea("a", "none")))
    outcome = Outcome("a", "crashed", 0.0)
    with pytest.raises(UserError, match=r"implementer: .* raised ValueError: not today"):
        asyncio.run(implementer.repair(Idea("a", "some"), (), outcome, ""))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"count": 9}, "asked for 9 ideas of an epoch of 4"),
        ({"count": 0}, "asked for 0 ideas"),
        ({"count": 1.0}, "asked for 1.0 ideas"),
        ({"mode": "guess"}, "asked for ideas of the mode 'guess'"),
        ({"mode": "exploit"}, "asked to exploit an empty history"),
        ({"gives": ["x"]}, "gave a list for a part of an epoch"),
    ],
)
def test_what_is_no_epoch_ends_the_search_in_one_line(options: dict[str, Any], told: str) -> None:
    history: list[Executed] = []
    settings = SearchSettings(method="plugin", name="somebodys_parts:method", options=options)
    with pytest.raises(UserError, match=f"search: the plug-in somebodys_parts:method {told}"):
        open_method(settings)(0, 4, history, 0.0, Random(0))


def test_workers_without_slots_are_refused(tmp_path: Path) -> None:
    problem = load_problem(make_workplace(tmp_path) / "tiny")
    with pytest.raises(UserError, match=r"executor.workers.name: .* `slots` has to be a number"):
        plugin_workers(named("Workers"), problem, "none", None)


def test_training_names_workers_that_are_not_there() -> None:
    recipe, key = "recipes/digits/grpo/config_qwen3_tiny.yaml", "executor.workers"
    with pytest.raises(UserError, match=r"executor.workers.name: no workers 'x' is installed"):
        read_train_recipe(recipe, {f"{key}.kind": "plugin", f"{key}.name": "x"})
