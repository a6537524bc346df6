"""What a script defines is read off its text, and the same as what it defines when it runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from executor.data.outline import FUNCTIONS, Outline, _of_loaded, outline_of
from executor.data.script import load_script

ENVS = Path(__file__).parents[3] / "gym_envs"
ALL = "def prepare(train, held_out, source=None, *, secret): ...\n"


def outline(folder: Path, text: str, **beside: str) -> Outline:
    for name, content in {**beside, "prepare": text}.items():
        (folder / f"{name}.py").write_text(content)
    return outline_of(folder / "prepare.py")


@pytest.mark.parametrize("path", sorted(ENVS.glob("*/prepare*.py")), ids=str)
def test_a_problems_own_script_is_as_its_text_says(path: Path) -> None:
    pytest.importorskip("torch")
    assert outline_of(path) == _of_loaded(load_script(path))


def test_a_script_is_not_run_where_its_text_tells(tmp_path: Path) -> None:
    found = outline(tmp_path, f"{ALL}def hidden(): ...\nraise AssertionError\n")
    assert found.has == {"prepare", "hidden"}
    assert found.takes == {"train", "held_out", "source", "secret"}


@pytest.mark.parametrize(
    "text",
    [
        "from others import prepare, hidden, check\n",
        "from others import *\n",
        "import others\nprepare, hidden, check = others.prepare, others.hidden, others.check\n",
        f"{ALL}from others import hidden, check\n",
        f"{ALL}if True:\n    from others import hidden, check as check\n",
        f"{ALL}import others\nhidden = check = others.hidden\n",
        f"{ALL}import others\nfor hidden in [others.hidden]: ...\ncheck = hidden\n",
        f"{ALL}import others\nif True:\n    def hidden(): ...\n    async def check(): ...\n",
        f"{ALL}import others\nclass hidden: ...\ndef check(): ...\n",
        f"{ALL}import others\nfor name in ('hidden', 'check'):\n    globals()[name] = others\n",
        f"{ALL}import others\ndef __getattr__(name):\n    return getattr(others, name)\n",
    ],
)
def test_a_script_is_run_where_its_text_does_not_tell(tmp_path: Path, text: str) -> None:
    others = f"{ALL}def hidden(): ...\ndef check(train, held_out): ...\n"
    found = outline(tmp_path, text, others=others)
    assert found.has == FUNCTIONS and "secret" in found.takes
    assert [file.name for file in found.files] == ["others.py", "prepare.py"]


def test_the_modules_beside_it_are_those_that_are_imported_when_it_is_loaded(
    tmp_path: Path,
) -> None:
    for place in ("package", "package/deep", "unused"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "__init__.py").write_text("")
    (tmp_path / "package/deep/end.py").write_text("from package import near\nfrom . import by\n")
    (tmp_path / "package/deep/by.py").write_text("from ..far import A\n")
    for name in ("near", "far"):
        (tmp_path / f"package/{name}.py").write_text("A = 1\n")
    text = (
        "import json, first\ntry:\n    import package.deep.end\nexcept ImportError:\n    pass\n"
        f"{ALL.replace('...', 'import late')}\n"
    )
    found = outline(tmp_path, text, first="from second import A\n", second="A = 1\n", late="")
    names = [file.relative_to(tmp_path).as_posix() for file in found.files]
    deep = [f"package/deep/{name}.py" for name in ("__init__", "by", "end")]
    package = ["package/__init__.py", *deep, "package/far.py", "package/near.py"]
    assert names == ["first.py", *package, "prepare.py", "second.py"]
    assert found == _of_loaded(load_script(tmp_path / "prepare.py"))
