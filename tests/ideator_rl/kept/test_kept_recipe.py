"""A run keeps its recipe, and the same run again must have it."""

from __future__ import annotations

import pytest

from executor.errors import UserError
from ideator_rl.kept.recipe import check_recipe
from ideator_rl.recipe.read import parse_recipe
from ideator_rl.recipe.recipe import SearchRecipe


def recipe(**fields: object) -> SearchRecipe:
    return parse_recipe({"env": "digits", "run": "first", "budget": {"ideas": 8}} | fields, "test")


def test_the_budget_may_differ_and_the_science_may_not() -> None:
    kept = recipe().to_yaml()
    check_recipe(kept, recipe(budget={"ideas": 9}))
    with pytest.raises(UserError, match=r"^the run first was started with seed: 0, now it is 1;"):
        check_recipe(kept, recipe(seed=1))


@pytest.mark.parametrize("kept", ["env: [", "\x00", "steps: 3", "- a", "7"])
def test_a_recipe_that_cannot_be_read_is_one_line(kept: str) -> None:
    with pytest.raises(UserError, match="choose another name with --run") as raised:
        check_recipe(kept, recipe())
    assert "\n" not in str(raised.value)
