"""A problem's scripts: the modules beside them, each problem's own."""

from __future__ import annotations

import os
import py_compile
import sys
from importlib import import_module
from pathlib import Path
from threading import Thread
from types import ModuleType

import pytest

from executor.data.script import load_script
from executor.problem.problem import load_problem
from tests.tiny_problem import make_problem


def write(folder: Path, **texts: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / f"{name}.py").write_text(text)
    return folder


def test_a_script_imports_what_lies_beside_it(tmp_path: Path) -> None:
    text = "import helper\ndef ask():\n    import late\n    return helper.NAME + late.NAME\n"
    scripts = [
        load_script(
            write(tmp_path / n, evaluate=text, helper=f"NAME = '{n}'", late=f"NAME = '{n}'")
            / "evaluate.py"
        )
        for n in ("one", "two")
    ]
    for script, name in zip(scripts, ("one", "two"), strict=True):
        with script.imports():
            assert script.module.ask() == 2 * name
        assert [path.name for path in script.files] == ["evaluate.py", "helper.py", "late.py"]
    assert not {"helper", "late"} & set(sys.modules)
    assert not any(str(tmp_path) in place for place in sys.path)


def test_a_script_s_modules_are_no_other_thread_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, evaluate="import colorsys\n", other="", colorsys="ours = True\n")
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    assert load_script(tmp_path / "evaluate.py").module.colorsys.ours
    found: list[ModuleType] = []
    with load_script(tmp_path / "other.py").imports():
        thread = Thread(target=lambda: found.append(import_module("colorsys")))
        thread.start()
        thread.join()
    assert not hasattr(found[0], "ours")


@pytest.mark.parametrize("module", ["evaluate", "helper", "package/deep"])
def test_an_edit_counts_even_if_it_changes_neither_size_nor_time(
    tmp_path: Path, module: str
) -> None:
    text = "import helper, package.deep\ndef ask():\n    return 1 + helper.A + package.deep.A\n"
    write(tmp_path / "package", __init__="", deep="A = 10")
    write(tmp_path, evaluate=text, helper="A = 100")
    path = tmp_path / f"{module}.py"
    for cached in tmp_path.rglob("*.py"):
        py_compile.compile(str(cached))
    before = path.stat()
    path.write_text(path.read_text().replace("1", "2"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    script = load_script(tmp_path / "evaluate.py")
    added = {"evaluate": 1, "helper": 100, "package/deep": 10}[module]
    assert script.module.ask() == 111 + added


def test_a_script_may_have_dataclasses_of_quoted_types(tmp_path: Path) -> None:
    text = (
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        "@dataclass\nclass Figure:\n    value: float\n"
    )
    script = load_script(write(tmp_path, evaluate=text) / "evaluate.py")
    assert script.module.Figure(1.0).value == 1.0


def test_every_module_that_an_examination_can_import_is_part_of_the_version(tmp_path: Path) -> None:
    folder = make_problem(tmp_path / "tiny")
    write(folder, helper="A = 1")
    write(folder / "package" / "deep", module="B = 1")
    versions = {load_problem(folder).version}
    for path in ("helper.py", "package/deep/module.py", "evaluate.py"):
        with (folder / path).open("a") as file:
            file.write("\n")
        versions.add(load_problem(folder).version)
    assert len(versions) == 4


def test_what_is_written_beside_the_scripts_is_no_part_of_the_version(tmp_path: Path) -> None:
    folder = make_problem(tmp_path / "tiny")
    version = load_problem(folder).version
    for path in ("README.md", "measured.json", ".venv/lib/a.py", "__pycache__/evaluate.pyc"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text("text")
    assert load_problem(folder).version == version
