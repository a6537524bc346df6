"""Recipes that come with the package are found by name from any folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from executor.errors import UserError
from ideator_rl.recipe.bundled import COMMANDS, bundled_recipes, find_recipe
from ideator_rl.recipe.read import load_recipe
from ideator_rl.rl.train_recipe import read_train_recipe
from tests.ideator_rl.command_line import in_process


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["digits/evolution", "nanogpt-tiny/evolution"])
def test_a_bundled_recipe_is_found_by_its_name(name: str) -> None:
    env = name.partition("/")[0]
    assert load_recipe(name).run == f"{env}-evolution-seed0"


def test_a_bundled_recipe_finds_its_warm_start() -> None:
    warm_start = read_train_recipe("digits/qwen3_tiny").model.warm_start
    assert warm_start is not None and Path(warm_start).is_file()


def test_a_path_that_exists_wins(empty_folder: Path) -> None:
    (empty_folder / "digits").mkdir()
    (empty_folder / "digits/evolution").write_text("env: grpo-tiny\n")
    assert load_recipe("digits/evolution").env == "grpo-tiny"


@pytest.mark.parametrize("name", ["digits/nope", "digits", "../evolution", "digits/../evolution"])
def test_a_name_of_no_recipe_is_said(name: str) -> None:
    with pytest.raises(UserError, match=r"no such recipe.*ideator-rl recipes"):
        find_recipe(name, "search")


def test_a_bundled_recipe_of_another_kind_says_what_runs_it() -> None:
    told = "digits/qwen3_tiny: this is a recipe of `ideator-rl train` or `ideator-rl evaluate`"
    with pytest.raises(UserError, match=f"^{told}.*, and not of `ideator-rl search`$"):
        find_recipe("digits/qwen3_tiny", "search")


def test_every_bundled_recipe_is_listed_with_one_line(empty_folder: Path) -> None:
    done = in_process(empty_folder, "recipes")
    lines = done.out.split("\n")
    for kind in COMMANDS:
        for recipe in bundled_recipes(kind):
            assert 10 < len(recipe.about) < 200 and recipe.about.endswith((".", ":"))
            assert f"  {recipe.name:24} {recipe.about}" in lines
            assert find_recipe(recipe.name, kind).is_file()
