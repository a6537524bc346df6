from __future__ import annotations

import pytest

from executor.records import Idea, Turn
from ideator_rl.sharing.authors import Authors

APIS = {"models": ["a/b/model", "a/c/model"], "apis": {"gpt": {"model": "gpt-5"}}, "plugins": {}}


@pytest.mark.parametrize(
    ("recipe", "idea", "ideator"),
    [
        ({"search": {}, "ideator": {"kind": "library"}}, Idea("a", ""), "library"),
        ({"search": {}}, Idea("a", ""), "library"),
        ({"search": {}, "ideator": {"kind": "api", "llm": {"model": "m"}}}, Idea("a", ""), "m"),
        (
            {"search": {}, "ideator": {"kind": "api", "llm": {"model": "m"}}},
            Idea("a", "", meta={"model": "m-2026"}),
            "m-2026",
        ),
        (
            {"search": {}, "ideator": {"kind": "checkpoint", "model": "/x/runs/mine/model"}},
            Idea("a", ""),
            "mine",
        ),
        (
            {"search": {}, "ideator": {"kind": "checkpoint", "model": "Qwen/Qwen3-1.7B"}},
            Idea("a", ""),
            "Qwen/Qwen3-1.7B",
        ),
        ({"search": {}, "ideator": {"kind": "plugin", "name": "x:Y"}}, Idea("a", ""), "x:Y"),
        ({"steps": 3, "model": {"path": "Qwen/Qwen3-4B"}}, Idea("a", ""), "Qwen/Qwen3-4B"),
        (
            {"steps": 3, "model": {"warm_start": "../sft/config_tiny.yaml"}},
            Idea("a", ""),
            "tiny (warm start)",
        ),
        (APIS, Idea("a", "", origin="gpt"), "gpt-5"),
        (APIS, Idea("a", "", origin="library"), "library"),
        (APIS, Idea("a", "", origin="c"), "c"),
        (None, Idea("a", ""), None),
        ("nonsense", Idea("a", ""), None),
    ],
)
def test_the_ideator_is_told_by_recipe_and_idea(
    recipe: object, idea: Idea, ideator: str | None
) -> None:
    assert Authors(recipe).ideator(idea) == ideator


def test_the_implementer_is_who_answered_last() -> None:
    recipe = {"implementer": {"kind": "llm", "llm": {"model": "m"}}}
    turns = (Turn(0, "implement", "", model="m-1"), Turn(0, "revise", "", model="m-2"))
    assert Authors(recipe).implementer(turns) == "m-2"
    assert Authors(recipe).implementer(()) == "m"
    assert Authors({"implementer": {"kind": "direct"}}).implementer(()) is None
