"""Examples in docstrings: what stands behind `>>>` runs and gives the result below it.

Other examples need a language model, Ray or a finished run, so they do not run here: each function
and class of their module that they call must exist and accept the arguments.
"""

import ast
import doctest
import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
# Scripts that run in the sandbox or beside a problem, with imports of their own.
APART = ("codebase", "template")


def docstrings() -> Iterator[tuple[str, str]]:
    """The name of each module with a docstring, and that docstring."""
    for package in ("executor", "gym_envs", "ideator_rl"):
        for path in sorted((ROOT / package).rglob("*.py")):
            text = ast.get_docstring(ast.parse(path.read_text()))
            if text and not set(APART) & set(path.parts):
                parts = path.relative_to(ROOT).with_suffix("").parts
                yield ".".join(p for p in parts if p != "__init__"), text


def sketches(docstring: str) -> Iterator[ast.Module]:
    """The paragraphs that are Python and call something."""
    for paragraph in docstring.split("\n\n"):
        try:
            tree = ast.parse(textwrap.dedent(paragraph))
        except SyntaxError:
            continue
        if any(isinstance(node, ast.Call) for node in ast.walk(tree)):
            yield tree


def wrong_calls(tree: ast.Module, module: ModuleType) -> list[str]:
    """The calls of the module's own functions and classes that do not fit their signatures."""
    wrong = []
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        if not isinstance(call.func, ast.Name) or not hasattr(module, call.func.id):
            continue
        arguments = [a for a in call.args if not isinstance(a, ast.Starred)]
        named = {k.arg: None for k in call.keywords if k.arg}
        try:
            inspect.signature(getattr(module, call.func.id)).bind(*arguments, **named)
        except TypeError as error:
            wrong.append(f"{ast.unparse(call)}: {error}")
    return wrong


RUN = [name for name, text in docstrings() if re.search(r"^\s*>>> ", text, re.MULTILINE)]
SKETCHED = {name: found for name, text in docstrings() if (found := list(sketches(text)))}


@pytest.mark.parametrize("name", RUN)
def test_an_example_gives_the_result_that_it_shows(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("gym_envs", "recipes"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    result = doctest.testmod(module, optionflags=FLAGS)
    assert result.attempted and not result.failed


@pytest.mark.parametrize("name", SKETCHED)
def test_an_example_calls_what_exists_with_arguments_that_fit(name: str) -> None:
    module = importlib.import_module(name)
    assert [wrong for tree in SKETCHED[name] for wrong in wrong_calls(tree, module)] == []


def test_a_call_that_does_not_fit_is_found() -> None:
    module = importlib.import_module("executor.records")
    assert wrong_calls(ast.parse('Idea(id="a", words="b")'), module)
    assert not wrong_calls(ast.parse('Idea(id="a", text="b")'), module)
