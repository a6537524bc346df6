"""What is installed works without the checkout: wheel and sdist have all that a search needs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BUILD = """
import sys
from setuptools import build_meta
print(getattr(build_meta, "build_" + sys.argv[1])(sys.argv[2]))
"""
pytestmark = pytest.mark.slow


def build(kind: str, source: Path, out: Path) -> Path:
    command = [sys.executable, "-c", BUILD, kind, str(out)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=True)
    return out / done.stdout.split()[-1]


def environment(folder: Path, wheel: Path) -> Path:
    """A fresh virtual environment with the wheel, on what is installed here; its bin folder."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    # A path that a .pth file adds is searched last, and its own .pth files (ours) are not read.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin/python")]
    install = [*pip, "install", "--quiet", "--no-deps", "--no-index", "--ignore-installed"]
    subprocess.run([*install, str(wheel)], check=True)
    return folder / "bin"


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_a_search_runs_from_an_empty_folder(tmp_path: Path, kind: str) -> None:
    source, empty = tmp_path / "source", tmp_path / "empty"
    for folder in ("executor", "gym_envs", "ideator_rl", "recipes"):
        compiled = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder, source / folder, symlinks=True, ignore=compiled)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    empty.mkdir()
    built = build(kind, source, tmp_path)
    if kind == "sdist":
        shutil.unpack_archive(built, tmp_path / "unpacked", filter="data")
        (unpacked,) = (tmp_path / "unpacked").iterdir()
        built = build("wheel", unpacked, tmp_path)
    shutil.rmtree(source)
    program = environment(tmp_path / "venv", built) / "ideator-rl"
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    words = ["search", "--config", "digits/evolution", "--json", "--budget.ideas", "2"]
    # A sandbox would show the trial only this environment, and not what it borrows.
    words += [
        "--executor.sandbox",
        "none",
        "--executor.baseline_seeds",
        "1",
        "--confirm.top",
        "0",
        "--executor.slots",
        "1",
    ]
    done = subprocess.run(
        [program, *words], cwd=empty, env=env, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["executed"] == 2
    assert [path.name for path in empty.iterdir()] == ["store"]
