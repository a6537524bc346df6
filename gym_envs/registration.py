"""Which problems there are: the built-in ones, installed plug-ins, and folders.

    >>> find_problem("digits").name         # by name, by id (research/Digits-v0) or by folder
    'digits'

`register_problem("my-problem/")` makes `gymnasium.make("research/MyProblem-v0")` work.

An installed package adds problems through the entry-point group `ideator_rl.problems`: each entry
names a package whose folder holds a `problem.toml`.
"""

from __future__ import annotations

import importlib.util
import tomllib
import warnings
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from executor.errors import ProblemError
from executor.problem.problem import Problem, load_problem

NAMESPACE = "research"
_HERE = Path(__file__).parent
TEMPLATE = _HERE / "template"


def problem_paths() -> Mapping[str, Path]:
    """Every built-in and installed problem: its name and its toml file."""
    return {_declared(toml)["name"]: toml for toml in (*_installed(), *_built_in())}


@cache
def _built_in() -> Sequence[Path]:
    return [p for p in sorted(_HERE.glob("*/problem*.toml")) if p.parent != TEMPLATE]


@cache
def _installed() -> Sequence[Path]:
    """Those of other packages."""
    # Imported here: it reads the metadata of every installed package.
    from importlib.metadata import entry_points

    tomls = []
    for entry in entry_points(group="ideator_rl.problems"):
        try:
            tomls.append(_plugin_toml(entry.value))
        except (ProblemError, ImportError) as error:
            # A broken plug-in must not make the other problems unavailable.
            warnings.warn(f"research problem {entry.name} left out: {error}", stacklevel=2)
    return tomls


def _plugin_toml(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ProblemError(f"{package} is not an importable package")
    toml = Path(spec.submodule_search_locations[0]) / "problem.toml"
    _declared(toml)
    return toml


def find_problem(env: str | Path, overrides: Mapping[str, object] | None = None) -> Problem:
    """A problem by its name, its Gymnasium id or its folder. Raises ProblemError."""
    text = str(env)
    for tomls in (_built_in, _installed):
        for toml in tomls():
            if text in (_declared(toml)["name"], gymnasium_id(toml)):
                return load_problem(toml, overrides)
    if Path(text).expanduser().exists():
        return load_problem(Path(text).expanduser(), overrides)
    raise ProblemError(
        f"unknown environment {text!r}; known: {', '.join(problem_paths())}, "
        "or the folder of a problem.toml"
    )


def register_problem(path: str | Path) -> str:
    """Registers a problem folder with Gymnasium and returns its id. Raises ProblemError."""
    return _register(load_problem(path).path)


def register_problems() -> None:
    """Registers every built-in and installed problem with Gymnasium."""
    for toml in problem_paths().values():
        _register(toml)


def gymnasium_id(toml: Path) -> str:
    return f"{NAMESPACE}/{_declared(toml)['id']}"


def _register(toml: Path) -> str:
    import gymnasium

    env_id = gymnasium_id(toml)
    gymnasium.register(
        env_id,
        entry_point="gym_envs.research_env:ResearchEnv",
        vector_entry_point="gym_envs.vector_env:ResearchVectorEnv",
        kwargs={"problem": str(toml)},
    )
    return env_id


@cache
def _declared(toml: Path) -> dict[str, str]:
    """Name and id, without the cost of loading the whole problem."""
    try:
        raw = tomllib.loads(toml.read_text())
        return {"name": str(raw["name"]), "id": str(raw["id"])}
    except (OSError, KeyError, ValueError) as error:
        raise ProblemError(f"{toml}: cannot be read as a problem: {error}") from None
