"""What README names is there: sections for what people come to do, commands, recipes, pages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ideator_rl.cli import build_parser

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
COMMANDS = "\n".join(re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL))


@pytest.mark.parametrize(
    ("section", "command"),
    [
        ("Launch a recipe", "ideator-rl search"),
        ("Reinforcement learning", "accelerate launch"),
        ("Register an environment", "ideator-rl envs new"),
        ("Evaluate a checkpoint", "ideator-rl evaluate"),
    ],
)
def test_what_people_come_to_do_has_a_section_with_its_command(section: str, command: str) -> None:
    _, heading, text = README.partition(f" {section}\n")
    assert heading and command in text.partition("\n## ")[0]


def test_every_command_is_one() -> None:
    named = set(re.findall(r"ideator-rl ([a-z]+)", COMMANDS))
    known = set(re.findall(r"[a-z]+", build_parser().format_usage()))
    assert named and named <= known


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\brecipes/[\w/]+\.yaml", README))))
def test_every_recipe_is_there(path: str) -> None:
    assert (ROOT / path).is_file()


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\]\(([\w./-]+)\)", README))))
def test_every_page_and_picture_is_there(path: str) -> None:
    assert (ROOT / path).is_file()


def test_every_target_of_make_is_one() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"^make ([a-z-]+)", COMMANDS, re.MULTILINE)) <= targets
