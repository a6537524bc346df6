"""The benchmark of a GPU, as far as a machine without one can run it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from executor.data.script import load_script
from executor.errors import UserError
from executor.sandbox import choose
from tests.executor.trials import all_gone

from gpu import command, report
from gpu.cards import bfloat16_peak
from gpu.corpus import Sizes, make_corpus
from gpu.examination import whole_s
from gpu.refused_calls import refused_calls
from gpu.setting import Figure, Section, Setting, Skipped
from nanogpt_train import OutOfTime, output_of

ROOT = Path(__file__).parents[2]
NANOGPT = ROOT / "gym_envs" / "nanogpt"
SMALL = Sizes(vocabulary=512, tokens=200_000, streams=64, window=64, windows=64, batch=32)


@pytest.fixture
def at(tmp_path: Path) -> Setting:
    """A processor, everything small, a minute."""
    end = time.monotonic() + 60
    setting = Setting(tmp_path, False, True, "", 0.0, 2, choose("best-effort"), end)
    setting.work.mkdir()
    return setting


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_dry_run_measures_every_section_through_the_true_code(tmp_path: Path) -> None:
    words = ["benchmarks/gpu.py", "--device", "cpu", "--tiny", "--out", str(tmp_path)]
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "gpu.json").read_text())
    found = results["sections"]
    assert {name: section["reason"] for name, section in found.items()} == dict.fromkeys(
        command.SHARES, ""
    )
    assert results["sandbox"].startswith(choose("best-effort").level)
    training, box = found["training"]["data"], found["sandbox"]["data"]
    assert training["tokens_a_second"] > 0 and training["plain_tokens_a_second"] > 0
    for stages in (box["rounds"]["cold"], box["rounds"]["warm"]):
        assert [stage["failure"] for stage in stages.values()] == [""] * 6
    first, *_, last = found["loss curve"]["data"]["curve"]
    assert last[2] < first[2]
    assert found["examination"]["data"]["tokens"] > 0
    assert [name for name, s in found.items() if not s["figures"]] == []
    for text in ((tmp_path / "gpu.md").read_text(), done.stdout):
        for section in found.values():
            assert all(figure["what"] in text for figure in section["figures"])
    left = {"gpu.json", "gpu.md", "logs", "loss_curve.json", "loss_curve.svg"}
    assert {path.name for path in tmp_path.iterdir()} <= left


def test_the_tokens_have_the_form_of_prepared_ones_and_something_to_learn(tmp_path: Path) -> None:
    data = make_corpus(tmp_path, SMALL)
    assert data.train and data.held_out
    script = load_script(NANOGPT / "prepare_fineweb.py")
    with script.imports():
        script.module.check(data.train, data.held_out)
    evaluate = load_script(NANOGPT / "evaluate.py").module
    held_out = np.fromfile(data.held_out / "held_out.bin", np.uint16)
    starts = np.load(data.held_out / "starts.npy")
    batches = list(evaluate.batches(held_out, starts, SMALL.window, SMALL.batch))
    assert [batch.shape for batch in batches] == [(32, 65), (32, 65)]
    row = np.fromfile(data.train / "train.bin", np.uint16)
    assert len(row) == SMALL.tokens and row.max() < SMALL.vocabulary
    alone = np.bincount(row, minlength=512) / len(row)
    pairs = np.zeros((512, 512))
    np.add.at(pairs, (row[:-1], row[1:]), 1 / (len(row) - 1))

    def entropy(shares: np.ndarray) -> float:
        return -float((shares[shares > 0] * np.log(shares[shares > 0])).sum())

    # Knowing the token before is worth a nat, and how frequent tokens are is worth something.
    assert entropy(alone) < np.log(512) - 0.5
    assert entropy(pairs) - entropy(alone) < entropy(alone) - 1.0


@pytest.mark.parametrize(
    ("card", "peak"),
    [
        ("NVIDIA H100 80GB HBM3", 989.5e12),
        ("NVIDIA H100 PCIe", 756e12),
        ("NVIDIA H200", 989.5e12),
        ("NVIDIA A100-SXM4-80GB", 312e12),
        ("NVIDIA L40S", 362e12),
        ("NVIDIA GeForce RTX 4090", 165.2e12),
        ("NVIDIA L40", None),
        ("", None),
    ],
)
def test_a_card_has_the_peak_of_its_kind_or_none(card: str, peak: float | None) -> None:
    assert bfloat16_peak(card) == peak


def test_the_rest_of_an_examination_is_reckoned_from_whole_batches() -> None:
    found = {"tokens": 150.0, "seconds": 20.0}
    found |= {"tokens_of_whole_batches": 100.0, "seconds_of_whole_batches": 16.0}
    assert whole_s(found, 1000) == 160.0
    found["tokens_of_whole_batches"] = 0.0
    assert whole_s(found, 1500) == 200.0


def test_a_section_that_fails_or_is_skipped_leaves_the_others_and_a_line(
    at: Setting, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = []

    def fails(part: Setting) -> Section:
        seen.append(part.left())
        raise RuntimeError("the card fell off\nthe bus")

    def skips(part: Setting) -> Section:
        raise Skipped("vllm is not installed")

    def ends(part: Setting) -> Section:
        raise SystemExit("no such thing")

    def works(part: Setting) -> Section:
        written = json.loads((at.out / "gpu.json").read_text())
        assert list(written["sections"]) == ["training", "sandbox", "examination"]
        return Section([Figure("speed | of light", "1 c", ">= 1 c")], ["as expected"])

    monkeypatch.setattr(
        command,
        "sections",
        lambda at: {
            "training": fails,
            "sandbox": skips,
            "examination": ends,
            "loss curve": works,
            "grpo": lambda part: __import__("no_such_package"),
        },
    )
    results: report.Results = {"date": "today", "head": "a card", "sandbox": "strict"}
    command.run(results | {"remarks": [], "sections": {}}, at, list(command.SHARES))
    found = json.loads((at.out / "gpu.json").read_text())["sections"]
    assert {name: (s["status"], s["reason"]) for name, s in found.items()} == {
        "training": ("failed", "the card fell off the bus"),
        "sandbox": ("skipped", "vllm is not installed"),
        "examination": ("failed", "no such thing"),
        "loss curve": ("done", ""),
        "grpo": ("skipped", "no_such_package is not installed"),
    }
    assert 10 < seen[0] < 25, "a share of the minute"
    assert "the card fell off" in (at.out / "logs" / "training-failed.log").read_text()
    table = (at.out / "gpu.md").read_text()
    assert "| training | failed | the card fell off the bus |  |" in table
    assert "| loss curve | speed \\| of light | 1 c | >= 1 c |" in table
    assert "- loss curve: as expected" in table
    assert capsys.readouterr().out.count("\n") == 5


def test_calls_that_a_box_refuses_are_counted_by_name(at: Setting) -> None:
    if at.sandbox.name != "namespaces":
        assert refused_calls(at, "", {}) is None
        return
    script = """
import fcntl, os, socket
for number in range(3):
    try:
        os.sched_setaffinity(0, {0})
    except OSError as error:
        print(error.strerror)
try:
    fcntl.fcntl(0, 1024, 0)
except OSError:
    pass
"""
    found = refused_calls(at, script, {})
    assert found is not None
    assert found["sched_setaffinity"] == 3 and found["fcntl 0x400"] == 1
    assert "open" not in " ".join(found)
    log = (at.out / "logs" / "refused_calls.log").read_text()
    assert log == "Function not implemented\n" * 3
    assert refused_calls(replace(at, sandbox=replace(at.sandbox, name="process")), "", {}) is None


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--device", "cpu"], r"--device cpu needs --tiny"),
        (["--only", "training,speed"], r"no section 'speed'; there are training, sandbox"),
        (["--minutes", "0"], r"--minutes: needs more than half a minute"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_one_line(
    words: list[str],
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["gpu.py", *words])
    with pytest.raises(SystemExit):
        command.main()
    assert re.search(told, capsys.readouterr().err)


def test_a_machine_without_a_gpu_is_told_of_the_dry_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--out", str(tmp_path)])
    monkeypatch.setattr(command.machine, "facts", lambda: {"gpus": 0})
    with pytest.raises(SystemExit, match=r"sees no GPU here; the dry run is: --device cpu --tiny"):
        command.main()
    assert list(tmp_path.iterdir()) == []


def test_without_a_strict_sandbox_the_next_best_is_taken_and_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def strictly(level: str = "strict") -> object:
        if level == "strict":
            raise UserError("a strict sandbox cannot be had here")
        return choose("none")

    monkeypatch.setattr(command, "choose", strictly)
    sandbox, remarks = command.best_sandbox()
    assert str(sandbox) == "none" and "best-effort: a strict sandbox cannot" in remarks[0]


def test_a_run_that_hangs_ends_with_all_that_it_started(tmp_path: Path) -> None:
    code = "import os, time\nif os.fork(): open('started', 'w')\ntime.sleep(600)"
    begun = time.monotonic()
    with pytest.raises(OutOfTime, match="was still running at the end of its time"):
        output_of([sys.executable, "-c", code], tmp_path, {"IN": str(tmp_path)}, begun + 1.0)
    assert (tmp_path / "started").exists() and all_gone(tmp_path)
    with pytest.raises(RuntimeError, match="no such card"):
        output_of([sys.executable, "-c", "exit('no such card')"], tmp_path, {}, begun + 60)
