"""A problem whose trial takes milliseconds: the reward is a number that the codebase names."""

from __future__ import annotations

from pathlib import Path

TOML = """
name = "{name}"
id = "{id}"
title = "Name a large number"
task = "Write a larger number."
[run]
entry = ["sh", "run.sh"]
[files]
editable = ["run.sh", "settings.py"]
[budget]
kind = "wall"
seconds = 20
[reward]
metric = "value"
plausible = 1e9
"""
FILES = {
    "codebase/run.sh": "mkdir candidate\nsleep 0\ncp settings.py candidate/\n",
    "codebase/settings.py": "value = 10\nbonus = 0\n",
    "evaluate.py": """
import ast

def examine(candidate, held_out):
    lines = (candidate.folder / "settings.py").read_text().splitlines()
    return {"value": float(sum(ast.literal_eval(line.split("=")[1].strip()) for line in lines))}
""",
    "ideas.yaml": """
- id: larger
  experiment: Write {value}.
  changes: "value: 10 -> {value}"
  params: {value: [12, 13, 9]}
- id: bonus
  experiment: Add a bonus of {bonus}.
  changes: "bonus: 0 -> {bonus}"
  params: {bonus: [1, 2, 3]}
- id: crash
  experiment: End badly.
  changes: |
    run.sh
    <<<<<<< SEARCH
    sleep 0
    =======
    exit 3
    >>>>>>> REPLACE
  expect: crashed
- id: not-there
  experiment: Change what is not there.
  changes: |
    run.sh
    <<<<<<< SEARCH
    no such line
    =======
    sleep 1
    >>>>>>> REPLACE
  expect: not_implemented
""",
}


def make_problem(folder: Path, name: str = "tiny", env_id: str = "Tiny-v0") -> Path:
    """Writes the problem into `folder` and returns it."""
    for path, text in FILES.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    (folder / "problem.toml").write_text(TOML.format(name=name, id=env_id))
    return folder


def make_sibling(folder: Path) -> Path:
    """Writes the problem `sibling`, with other names for the settings: what is an idea for one of
    the two does not apply to the other."""
    make_problem(folder, "sibling", "Sibling-v0")
    for path in ("codebase/settings.py", "ideas.yaml"):
        text = (folder / path).read_text().replace("value", "amount").replace("bonus", "extra")
        (folder / path).write_text(text)
    toml = (folder / "problem.toml").read_text()
    (folder / "problem.toml").write_text(toml.replace("Name a large number", "Much and more"))
    return folder


def slower(seconds: float) -> str:
    """An idea whose training sleeps."""
    return (
        "[Experiment] Take your time.\n[Code Changes]\nrun.sh\n"
        f"<<<<<<< SEARCH\nsleep 0\n=======\nsleep {seconds}\n>>>>>>> REPLACE\n"
    )


def larger(value: int) -> str:
    """An idea that names another number."""
    return f"[Experiment] Write {value}.\n[Code Changes]\nvalue: 10 -> {value}\n"
