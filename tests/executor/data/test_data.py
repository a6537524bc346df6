"""Prepared data: made once, whole or not at all, and the same wherever they are made."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from executor import ProblemError
from executor.data.prepared import PreparedData, data_folder, prepare_data, prepared_data

GOOD = """
def prepare(train, held_out, source=None):
    (train / "images").mkdir()
    (train / "images" / "a.txt").write_text(source or "built in")
    (held_out / "labels.txt").write_text("7")
"""


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("IDEATOR_RL_DATA", str(tmp_path / "data" / "deep"))
    return tmp_path / "data" / "deep"


def script(tmp_path: Path, text: str = GOOD) -> Path:
    (tmp_path / "prepare.py").write_text(text)
    return tmp_path / "prepare.py"


def complaint(path: Path, source: str | None = None) -> str:
    with pytest.raises(ProblemError) as caught:
        prepare_data("sample", path, source)
    text = str(caught.value)
    assert text.splitlines() == [text]
    return text


def test_data_are_prepared_at_first_use_and_never_again(tmp_path: Path) -> None:
    counting = "from pathlib import Path\n" + GOOD + "    with open(__file__ + '.log', 'a') as f: "
    path = script(tmp_path, counting + "f.write('x')\n")
    data = prepared_data("sample", path, auto=True)
    assert data.train and (data.train / "images" / "a.txt").read_text() == "built in"
    assert data.held_out and (data.held_out / "labels.txt").read_text() == "7"
    assert prepared_data("sample", path, auto=True) == data
    assert prepared_data("sample", path, auto=False) == data
    assert (tmp_path / "prepare.py.log").read_text() == "x"


def test_the_fingerprint_is_that_of_the_content(tmp_path: Path, root: Path) -> None:
    data = prepared_data("sample", script(tmp_path), auto=True)
    root.rename(tmp_path / "moved")
    assert prepared_data("sample", script(tmp_path), auto=True) == data
    prepare_data("sample", script(tmp_path), "other")
    assert prepared_data("sample", script(tmp_path), auto=True).fingerprint != data.fingerprint
    prepare_data("sample", script(tmp_path))
    assert prepared_data("sample", script(tmp_path), auto=True) == data


def test_another_prepare_py_has_another_folder(tmp_path: Path, root: Path) -> None:
    first = prepare_data("sample", script(tmp_path))
    second = prepare_data("sample", script(tmp_path, GOOD.replace("7", "8")))
    assert first != second
    assert sorted(path.name for path in root.iterdir()) == sorted([first.name, second.name])


def test_a_problem_without_prepare_py_has_no_data() -> None:
    assert prepared_data("sample", None, auto=False) == PreparedData(None, None, "none")


def test_without_auto_the_command_is_said(tmp_path: Path, root: Path) -> None:
    with pytest.raises(ProblemError, match="ideator-rl envs prepare sample"):
        prepared_data("sample", script(tmp_path), auto=False)
    assert not root.exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GOOD + "    raise ValueError('no such file; pass --source')\n", "pass --source"),
        (GOOD + "    open('/no/such/file')\n", "/no/such/file"),
        (GOOD + "    import no_such_module\n", "no_such_module"),
        ("def prepared(): ...\n", "prepare(train, held_out, source=None)"),
    ],
)
def test_a_prepare_py_that_fails_leaves_nothing(
    tmp_path: Path, root: Path, text: str, said: str
) -> None:
    assert said in complaint(script(tmp_path, text))
    assert list(root.glob("*")) == []


@pytest.mark.parametrize("text", [GOOD + "    assert False\n", "def prepare(:\n", "1 / 0\n"])
def test_a_bug_in_prepare_py_leaves_nothing(tmp_path: Path, root: Path, text: str) -> None:
    with pytest.raises((AssertionError, SyntaxError, ZeroDivisionError)):
        prepare_data("sample", script(tmp_path, text))
    assert list(root.glob("*")) == []


def test_a_source_is_handed_over_and_one_that_fails_keeps_the_old_data(tmp_path: Path) -> None:
    refusing = GOOD + "    if source == 'bad':\n        raise ValueError('bad is no archive')\n"
    path = script(tmp_path, refusing)
    folder = prepare_data("sample", path, "an archive")
    assert (folder / "train/images/a.txt").read_text() == "an archive"
    assert "bad is no archive" in complaint(path, "bad")
    assert (folder / "train/images/a.txt").read_text() == "an archive"
    assert sorted(p.name for p in folder.iterdir()) == ["held_out", "manifest.json", "train"]


@pytest.mark.parametrize("where", ["/dev/null/data", "/proc/data"])
def test_a_folder_that_cannot_be_written_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.setenv("IDEATOR_RL_DATA", where)
    text = complaint(script(tmp_path))
    assert where in text and "IDEATOR_RL_DATA" in text


def test_processes_that_prepare_at_the_same_time_agree(tmp_path: Path, root: Path) -> None:
    slow = "import time\n" + GOOD + "    time.sleep(0.3)\n"
    path = script(tmp_path, slow)
    code = (
        "import sys; from pathlib import Path; from executor.data.prepared import prepared_data; "
        "print(prepared_data('sample', Path(sys.argv[1]), auto=True).fingerprint)"
    )
    command = [sys.executable, "-c", code, str(path)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    prints = {process.communicate(timeout=60)[0] for process in running}
    assert [process.returncode for process in running] == [0, 0, 0]
    assert len(prints) == 1 and prints != {""}
    assert [p.name for p in root.iterdir()] == [data_folder("sample", path).name]


SECRET = """
from questions import order
def prepare(train, held_out, source=None, *, secret, final):
    for folder in (held_out, final):
        (folder / "order.txt").write_text(order(secret, folder.name))
def hidden(visible):
    return [path for path in visible if path.name == "usr"]
"""
QUESTIONS = "def order(secret, part):\n    return f'{secret} {part}'\n"


def secretive(folder: Path) -> Path:
    (folder / "questions.py").write_text(QUESTIONS)
    return script(folder, SECRET)


def test_a_machine_draws_its_secret_once(tmp_path: Path, root: Path) -> None:
    data = prepared_data("sample", secretive(tmp_path), auto=True)
    assert data.held_out and data.final
    secret = (root / "secret").read_text().strip()
    assert len(secret) >= 64 and (root / "secret").stat().st_mode & 0o77 == 0
    assert (data.held_out / "order.txt").read_text() == f"{secret} held_out"
    assert (data.final / "order.txt").read_text() == f"{secret} final"
    assert data.final.stat().st_mode & 0o77 == 0
    assert prepared_data("sample", secretive(tmp_path), auto=True) == data


def test_another_machine_has_another_secret_and_other_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = prepared_data("sample", secretive(tmp_path), auto=True)
    monkeypatch.setenv("IDEATOR_RL_DATA", str(tmp_path / "elsewhere"))
    assert prepared_data("sample", secretive(tmp_path), auto=True).fingerprint != first.fingerprint


def test_a_shared_secret_makes_equal_data_on_two_machines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared, prints = tmp_path / "shared", set()
    shared.write_text("correct horse battery staple\n")
    for machine in ("one", "two"):
        monkeypatch.setenv("IDEATOR_RL_DATA", str(tmp_path / machine))
        prepare_data("sample", secretive(tmp_path), secret=shared)
        prints.add(prepared_data("sample", secretive(tmp_path), auto=False).fingerprint)
    assert len(prints) == 1


@pytest.mark.parametrize("text", [None, "short", "two lines of\na secret text", b"\xff" * 40])
def test_a_bad_secret_is_one_line(tmp_path: Path, text: str | bytes | None) -> None:
    path = tmp_path / "shared"
    if text is not None:
        path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(ProblemError, match=r"shared: .*secret.*openssl rand") as caught:
        prepare_data("sample", secretive(tmp_path), secret=path)
    assert len(str(caught.value).splitlines()) == 1


def test_a_secret_for_data_that_come_from_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "shared").write_text("correct horse battery staple")
    with pytest.raises(ProblemError, match="leave --secret out"):
        prepare_data("sample", script(tmp_path), secret=tmp_path / "shared")


def test_a_module_beside_the_script_is_part_of_the_data(tmp_path: Path) -> None:
    first = data_folder("sample", secretive(tmp_path))
    (tmp_path / "questions.py").write_text(QUESTIONS + "\n")
    assert data_folder("sample", tmp_path / "prepare.py") != first


def test_a_script_is_told_what_a_sandbox_shows(tmp_path: Path) -> None:
    assert prepared_data("sample", secretive(tmp_path), auto=True).hidden == (Path("/usr"),)
