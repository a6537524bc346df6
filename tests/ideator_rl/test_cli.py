"""What `ideator-rl` says of itself, and of words that it does not know."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from ideator_rl.cli import main
from tests.ideator_rl.command_line import make_workplace
from tests.tiny_problem import make_problem


def ended(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[object, str, str]:
    """The exit code, and what stood on stdout and stderr."""
    with pytest.raises(SystemExit) as exit_:
        main(words)
    return exit_.value.code, *capsys.readouterr()


def test_a_bare_command_helps(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = ended(capsys)
    assert (code, err) == (0, "") and "search for ideas" in out


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(capsys, "--version") == (0, f"ideator-rl {version('ideator-rl')}\n", "")


@pytest.mark.parametrize("words", [("--nope",), ("nosuch",), ("--nope", "report", "x")])
def test_an_unknown_word_is_one_line(capsys: pytest.CaptureFixture[str], words: tuple[str]) -> None:
    code, out, err = ended(capsys, *words)
    assert (code, out, err.count("\n")) == (2, "", 1) and repr(words[0]) in err


@pytest.mark.parametrize("line", ["--debug report none", "report none --debug"])
def test_debug_shows_the_cause_of_a_one_line_error(tmp_path: Path, line: str) -> None:
    plain, told = (shell(f"$IDEATOR {words}", tmp_path) for words in ("report none", line))
    assert told.returncode == plain.returncode == 2 and plain.stderr.count("\n") == 1
    assert "Traceback" in told.stderr and told.stderr.endswith(plain.stderr)


def test_the_package_runs_as_a_module() -> None:
    told = subprocess.run(
        [sys.executable, "-m", "ideator_rl", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.startswith("ideator-rl ")


@pytest.mark.parametrize(
    "line",
    [
        "ideator_rl.cli.build_parser().format_help()",
        "import ideator_rl.search.loop",
        "import ideator_rl.check.check",
    ],
)
def test_no_attack_is_imported_where_none_is_tried(line: str) -> None:
    told = subprocess.run(
        [sys.executable, "-c", f"import sys, ideator_rl.cli, gym_envs\n{line}\n"
         "print([name for name in sys.modules if name.startswith('gym_envs.cheats')])"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert told.stdout == "[]\n"


def shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A line of a shell in which $IDEATOR is the command."""
    told = {"IDEATOR": f"{sys.executable} -m ideator_rl"}
    return subprocess.run(
        line, shell=True, cwd=folder, capture_output=True, text=True, env={**os.environ, **told}
    )


def test_a_full_disk_below_the_output_is_one_line(tmp_path: Path) -> None:
    told = shell("$IDEATOR envs list > /dev/full", tmp_path)
    line = "ideator-rl: the output cannot be written: No space left on device\n"
    assert (told.returncode, told.stderr) == (1, line)


def test_a_closed_stream_changes_nothing(tmp_path: Path) -> None:
    make_problem(tmp_path / "tiny")
    (tmp_path / "ideas.jsonl").write_text('{"id": "a", "text": "value: 10 -> 12"}\n')
    told = shell("$IDEATOR execute --env tiny --ideas ideas.jsonl 2>&- <&-", tmp_path)
    assert told.returncode == 0 and "completed" in told.stdout, told.stdout


def test_a_hangup_ends_a_search_as_an_interrupt_does(tmp_path: Path) -> None:
    workplace = make_workplace(tmp_path)
    words = [sys.executable, "-m", "ideator_rl", "search", "--config", "config.yaml"]
    slow = ["--budget.ideas", "500", "--executor.slots", "1"]
    search = subprocess.Popen(
        [*words, *slow],
        cwd=workplace,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        # Tests that nohup started would hand on that they ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
    )
    assert search.stderr
    lines = iter(search.stderr.readline, "")
    assert any("completed" in line for line in lines)
    search.send_signal(signal.SIGHUP)
    assert "The same command goes on from there." in "".join(lines)
    assert search.wait() == 1
