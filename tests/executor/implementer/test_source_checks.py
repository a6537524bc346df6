"""What keeps a patched tree from starting is found without running it, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from executor.edits import apply_edits
from executor.implementer.source_checks import source_problems
from executor.problem.problem import load_problem

BEFORE = {
    "train.py": "import only_on_the_cluster.layers\nfrom model import net\n",
    "model.py": "import numpy as np\n\nrate: float = 0.1\n\n\ndef net(x):\n    return np.tanh(x)\n",
    "lib/__init__.py": "",
    "lib/tools.py": "def mean(x):\n    # ... as in the paper\n    return sum(x) / len(x)\n",
}
ENVS = Path(__file__).parents[3] / "gym_envs"


def problems(**files: str) -> list[str]:
    """Of the tree with these files changed or added; `lib__x` stands for lib/x.py."""
    changed = {name.replace("__", "/") + ".py": text for name, text in files.items()}
    return source_problems(BEFORE, {**BEFORE, **changed}, preload=["preloaded.part"])


BROKEN = {
    "syntax": ({"model": "def net(x:\n    return x\n"}, "model.py line 1: '(' was never closed"),
    "indentation": ({"model": "def net(x):\nreturn x\n"}, "model.py line 2: expected an indented"),
    "tabs and spaces": ({"new": "if 1:\n        a = 1\n\tb = 2\n"}, "new.py line 3: inconsistent"),
    "null byte": ({"new": "a = 1\0"}, "new.py cannot be parsed: source code string cannot"),
    "not installed": (
        {"new": "import muon_pytorch\n"},
        "the module `muon_pytorch` is not installed",
    ),
    "in a function": ({"new": "def f():\n    import muon\n"}, "new.py line 2: the module `muon`"),
    "no such part": (
        {"new": "import json.fast\n"},
        "no module `json.fast` in the installed `json`",
    ),
    "no such name": ({"new": "from json import parse\n"}, "`json` has no `parse`"),
    "a folder is no module": ({"new": "import gym_envs.nanogpt\n"}, "no module `gym_envs.nanogpt`"),
    "gone": ({"model": "def network(x):\n    return x\n"}, "train.py line 2: `net` is imported"),
    "no such file": (
        {"train": "import lib.toolz\n"},
        "there is no file for the module `lib.toolz`",
    ),
    "not in that file": (
        {"train": "from lib.tools import mean, median\n"},
        "train.py line 1: `median` is imported from lib/tools.py, which does not define it",
    ),
    "not in that folder": ({"train": "from lib import toolz\n"}, "`toolz` is imported from lib"),
    "relative": (
        {"train": "from .model import net\n"},
        "relative import fails outside of a package",
    ),
    "relative in a package": ({"lib__a": "from .b import c\n"}, "no file for the module `lib.b`"),
    "too far up": ({"lib__a": "from ..model import net\n"}, "relative import fails"),
    "hides the standard library": ({"random": "a = 1\n"}, "random.py hides the installed module"),
    "hides what the code needs": ({"numpy__core": "a = 1\n"}, "hides the installed module `numpy`"),
    "left out": (
        {"model": BEFORE["model.py"] + "# ... existing code ...\n"},
        "model.py line 8: `# ... existing code ...` stands for code that was left out",
    ),
    "left out, bare": ({"new": "a = 1\n...\nb = 2\n"}, "new.py line 2: `...` stands for"),
    "left out, in words": ({"new": "# the rest of the class is unchanged\n"}, "new.py line 1"),
    "left out, in Chinese": ({"new": "a = 1\n# ...其余代码保持不变\n"}, "new.py line 2"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_what_cannot_start_is_told_with_its_line(kind: str) -> None:
    files, told = BROKEN[kind]
    found = problems(**files)
    assert len(found) == 1
    assert told in found[0]


FINE = {
    "installed": "import os.path, json.decoder\nfrom collections import abc, OrderedDict\n",
    "installed, of a package": "from numpy.linalg import norm\nimport torch.nn.functional as F\n",
    "made when imported": "from torch import compile, zeros\n",
    "in the baseline": "import only_on_the_cluster\nfrom only_on_the_cluster.other import thing\n",
    "preloaded": "import preloaded.part\nfrom preloaded import anything\n",
    "optional": "try:\n    import flash_attn\nexcept ImportError:\n    flash_attn = None\n",
    "optional, several errors": "try:\n    import a\nexcept (OSError, ImportError):\n    a = 0\n",
    "optional, any error": "try:\n    import apex\nexcept:\n    import apex2\n",
    "below a condition": "import torch\nif torch.cuda.is_available():\n    import triton_kernels\n",
    "for type checkers": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import no\n",
    "names of the tree": "import model, lib.tools\nfrom lib import tools\nfrom model import np\n",
    "an annotated name": "from model import rate\n",
    "everything": "from lib.tools import *\nfrom numpy import *\n",
    "a stub": "class Loss(Exception):\n    ...\n",
    "words with dots": "# and so on...\n# ...then decay it\nx = [...]\n",
}


@pytest.mark.parametrize("kind", FINE)
def test_what_may_start_is_left_alone(kind: str) -> None:
    assert problems(new=FINE[kind]) == []


def test_relative_imports_in_a_package_and_names_that_are_made_at_run_time() -> None:
    assert problems(lib__a="from . import tools\nfrom .tools import mean\n") == []
    assert problems(model="globals()['net'] = print\n") == []
    assert problems(model="from json import *\n") == []
    assert problems(lib__tools=BEFORE["lib/tools.py"] + "x = 1\n") == []


def test_a_deleted_or_renamed_file_is_missed_by_those_that_import_it() -> None:
    after = {path: text for path, text in BEFORE.items() if path != "model.py"}
    assert "train.py line 2" in source_problems(BEFORE, after)[0]
    renamed = {**after, "network.py": BEFORE["model.py"]}
    renamed["train.py"] = "from network import net\n"
    assert source_problems(BEFORE, renamed) == []


def test_only_python_files_are_read() -> None:
    assert source_problems(BEFORE, {**BEFORE, "run.sh": "import (", "notes.md": "# ...\n"}) == []


def test_nothing_is_imported_to_find_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "loud_package").mkdir()
    for name in ("__init__.py", "part.py"):
        (tmp_path / "loud_package" / name).write_text("raise SystemExit('it was run')\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert problems(new="from loud_package.part import SystemExit\n") == []
    assert "has no `quiet`" in problems(new="from loud_package.part import quiet\n")[0]


@settings(max_examples=200)
@given(
    st.lists(
        st.sampled_from(
            [
                "import",
                "from",
                " ",
                ".",
                "model",
                "net",
                "*",
                "try:",
                "\n",
                "    ",
                "lib",
                "def f():",
            ]
        )
        | st.text(max_size=5),
        max_size=12,
    ).map("".join)
)
def test_any_text_has_problems_or_none(text: str) -> None:
    assert all(isinstance(line, str) for line in problems(new=text, train=text))


@pytest.mark.parametrize("toml", ["digits/problem.toml", "nanogpt/problem-tiny.toml"])
def test_no_idea_of_the_libraries_that_runs_is_held_back(toml: str) -> None:
    problem = load_problem(ENVS / toml)
    assert source_problems(problem.codebase, problem.codebase) == []
    allowed = problem.file.files
    checked = 0
    for entry in yaml.safe_load(problem.library.read_text()):
        changes = entry["changes"]
        for name, values in entry.get("params", {}).items():
            changes = changes.replace(f"{{{name}}}", str(values[0]))
        if entry.get("expect", "completed") == "completed":
            after = apply_edits(
                problem.codebase, changes, editable=allowed.editable, frozen=allowed.frozen
            )
            assert source_problems(problem.codebase, after) == [], entry["id"]
            checked += 1
    assert checked > 10
