"""Lines outside of marks are frozen."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor import load_problem
from executor.edits.regions import frozen_changes, mistake_in_marks
from executor.errors import ProblemError
from executor.implementer.implementer import apply_idea
from gym_envs.prompt import problem_prompt
from tests.tiny_problem import make_problem

MARKS = ("EVOLVE-BLOCK-START", "EVOLVE-BLOCK-END")
SETTINGS = "bonus = 0\n# EVOLVE-BLOCK-START\nvalue = 10\n# EVOLVE-BLOCK-END\n"
lines = st.lists(st.sampled_from(["a", "b", "# EVOLVE-BLOCK-START", "# EVOLVE-BLOCK-END"]))


@given(lines, lines, lines)
def test_whatever_stands_in_a_region_what_is_outside_stays(
    above: list[str], inside: list[str], other: list[str]
) -> None:
    """A change passes exactly if it keeps the lines above, and opens no region of its own."""
    before = "\n".join(["x", "# EVOLVE-BLOCK-START", "b", "# EVOLVE-BLOCK-END", "y"])
    after = "\n".join(["x", "# EVOLVE-BLOCK-START", *inside, "# EVOLVE-BLOCK-END", "y"])
    marked = any("EVOLVE" in line for line in inside)
    assert bool(frozen_changes({"p": before}, {"p": after}, MARKS)) == marked
    moved = "\n".join([*above, "x", "# EVOLVE-BLOCK-START", "b", "# EVOLVE-BLOCK-END", *other])
    same = not above and other == ["y"]
    assert bool(frozen_changes({"p": before}, {"p": moved}, MARKS)) != same


def test_a_file_that_is_gone_has_changed_outside_of_its_regions() -> None:
    assert frozen_changes({"p": SETTINGS}, {"q": SETTINGS}, MARKS).startswith("p changes outside")
    assert frozen_changes({"p": "no marks\n"}, {}, MARKS) == ""


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("EVOLVE-BLOCK-END\n", "line 1: EVOLVE-BLOCK-END without a EVOLVE-BLOCK-START above it"),
        ("\nEVOLVE-BLOCK-START\n", "line 2: EVOLVE-BLOCK-START without an EVOLVE-BLOCK-END below"),
        ("EVOLVE-BLOCK-START\nEVOLVE-BLOCK-START\n", "line 2: EVOLVE-BLOCK-START again"),
        (SETTINGS, ""),
    ],
)
def test_marks_come_in_pairs(text: str, mistake: str) -> None:
    assert mistake_in_marks(text, MARKS).startswith(mistake)
    assert bool(mistake_in_marks(text, MARKS)) == bool(mistake)


def test_an_idea_that_changes_a_frozen_line_is_rejected(tmp_path: Path) -> None:
    folder = make_problem(tmp_path / "tiny")
    toml = folder / "problem.toml"
    marks = 'regions = ["EVOLVE-BLOCK-START", "EVOLVE-BLOCK-END"]\n[budget]'
    toml.write_text(toml.read_text().replace("[budget]", marks))
    with pytest.raises(ProblemError, match=r"files\.regions: no file has a line with EVOLVE"):
        load_problem(folder)
    with pytest.raises(ProblemError, match=r"files\.regions: expected two marks, or none"):
        load_problem(folder, {"files.regions": ["EVOLVE-BLOCK-START"]})
    (folder / "codebase/settings.py").write_text(SETTINGS)
    problem = load_problem(folder)
    assert apply_idea(problem, "value: 10 -> 12").status == "completed"
    made = apply_idea(problem, "bonus: 0 -> 3")
    assert made.status == "rejected" and "settings.py changes outside" in made.detail
    assert "only between the lines EVOLVE-BLOCK-START and EVOLVE" in problem_prompt(problem)
