"""`ideator-rl evaluate` as a person runs it: the models write garbage, the library does not."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from executor import Store
from tests.ideator_rl.command_line import (
    command,
    ideator_rl,
    in_process,
    make_workplace,
    wait_until_gone,
)
from tests.llm_servers import Reply, serve

FILES = {"ideas.jsonl", "results.json", "curve.csv", "report.html", "recipe.yaml"}
ASK = ("evaluate", "--env", "tiny", "--model", "runs/one/model", "--prompt", "brief")


@pytest.fixture
def workplace(tmp_path: Path, tiny_model: Path) -> Path:
    """The tiny problem, and two models: the second is the first with one weight changed."""
    make_workplace(tmp_path)
    shutil.copytree(tiny_model, tmp_path / "runs/one/model")
    two = shutil.copytree(tiny_model, tmp_path / "runs/two/model")
    change_weights(two)
    return tmp_path


def change_weights(model: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(model / "model.safetensors")
    weights["model.norm.weight"][:32] *= -1.5
    save_file(weights, model / "model.safetensors", {"format": "pt"})


def samples(workplace: Path, out: str = "results") -> list[dict]:
    return [
        json.loads(line) for line in (workplace / out / "ideas.jsonl").read_text().split("\n")[:-1]
    ]


def evaluated(workplace: Path, *words: str) -> dict:
    done = ideator_rl(workplace, *ASK, "--json", *words)
    assert done.code == 0, done.err
    return json.loads(done.out)


def mistake(workplace: Path, *words: str) -> str:
    done = in_process(workplace, *words)
    assert done.code == 2 and done.out == ""
    return done.err.rstrip().split("\n")[-1]


@pytest.mark.slow
def test_two_models_are_evaluated_and_the_same_command_again_repeats_it(workplace: Path) -> None:
    words = ("--model", "runs/two/model", "-n", "6", "-k", "1,2,6", "--max-tokens", "16")
    words += ("--out", "results", "--executor.baseline_seeds", "2")
    found = evaluated(workplace, *words)
    folder = workplace / "results"
    assert {path.name for path in folder.iterdir()} == FILES
    assert json.loads((folder / "results.json").read_text()) == found
    assert [(row["name"], row["kind"], row["n"]) for row in found["rows"]] == [
        ("one", "checkpoint", 6),
        ("two", "checkpoint", 6),
        ("library", "library", 6),
        ("baseline", "baseline", 2),
    ]
    garbage, library = found["rows"][0], found["rows"][2]
    assert garbage["statuses"] == {"not_implemented": 6} and garbage["codebases"] == 0
    assert 0 < garbage["idea_tokens"] + garbage["thinking_tokens"] < 64
    assert library["best_at_k"]["6"] > library["best_at_k"]["1"] > 0
    assert found["comparisons"][0]["row"] == "two" and "1" in found["comparisons"][0]["differences"]
    with (folder / "curve.csv").open() as file:
        assert sorted(row["row"] for row in csv.DictReader(file)).count("two") == 6
    assert "<html" in (folder / "report.html").read_text()
    assert len(samples(workplace)) == 18
    run = Store(workplace / "store").run("results")
    assert run.outcome("baseline.seed500001") and run.outcome("baseline").seed == 500_000

    before = {path: path.read_bytes() for path in folder.iterdir()}
    done = ideator_rl(workplace, *ASK, *words)
    assert done.code == 0 and "sampling" not in done.err
    assert before == {path: path.read_bytes() for path in folder.iterdir()}
    for text in ("one ", "two - one, best@1:", "library", "baseline", "best@6", "report: "):
        assert text in done.out
    assert "\x1b" not in done.out + done.err


def test_a_code_model_writes_the_code_of_every_idea(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "a key for the tests")
    with serve("openai", lambda asked: Reply("value: 10 -> 12")) as server:
        (workplace / "config_words.yaml").write_text(
            "env: tiny\nmodels: [runs/one/model]\nn: 3\nprompt: brief\nmax_tokens: 4\n"
            "implementer:\n  kind: llm\n  samples: 1\n"
            f"  llm: {{api: openai, model: code-model, base_url: '{server.url}'}}\n"
        )
        ask = ("evaluate", "--config", "config_words.yaml", "--out", "results")
        done = in_process(workplace, *ask, "--json")
        assert done.code == 0, done.err
        assert "their code written by code-model" in done.err
        found = json.loads(done.out)
        asked = len(server.asked)
        assert in_process(workplace, *ask).code == 0 and len(server.asked) == asked
    assert found["header"]["implementer"] == "code-model"
    assert {row["name"]: row["statuses"] for row in found["rows"][:2]} == {
        "one": {"completed": 3},
        "library": {"completed": 3},
    }
    assert [row["best_at_k"]["1"] for row in found["rows"][:2]] == [12, 12]
    assert asked == len({sample["text"] for sample in samples(workplace)})
    page = (workplace / "results/report.html").read_text()
    assert "in words: code-model wrote the code" in page
    line = mistake(workplace, *ask, "--implementer.samples", "2")
    assert "was started with implementer.samples: 1, now it is 2" in line


@pytest.mark.slow
def test_a_run_folder_holds_everything(workplace: Path) -> None:
    evaluated(workplace, "-n", "2", "--max-tokens", "4", "--out", "here/runs/mine")
    assert not (workplace / "store").exists()
    folder = workplace / "here/runs/mine"
    assert {path.name for path in folder.iterdir() if path.name[0] != "."} == FILES | {
        "ideas",
        "events.jsonl",
        "start.json",
        "sessions",
        "seconds",
        "weights",
    }
    page = folder / "report.html"
    before = page.read_bytes()
    page.unlink()
    assert ideator_rl(workplace, "report", str(folder)).out.strip() == str(page)
    assert page.read_bytes() == before
    assert "was started with n: 2, now it is 3; set it back, or choose another name with --out" in (
        mistake(workplace, *ASK, "-n", "3", "--max-tokens", "4", "--out", "here/runs/mine")
    )
    change_weights(workplace / "runs/one/model")
    assert "runs/one/model has other weights, another tokenizer" in (
        mistake(workplace, *ASK, "-n", "2", "--max-tokens", "4", "--out", "here/runs/mine")
    )


@pytest.mark.slow
def test_a_recipe_says_it_all(workplace: Path) -> None:
    (workplace / "config_x.yaml").write_text(
        "env: tiny\nmodels: [runs/one/model]\nn: 3\nprompt: brief\nmax_tokens: 4\nk: [3]\n"
    )
    done = ideator_rl(workplace, "evaluate", "--config", "config_x.yaml", "--seed", "2")
    assert done.code == 0, done.err
    results = workplace / "store/runs/tiny-eval-x-seed2/results.json"
    header = json.loads(results.read_text())["header"]
    assert (header["n"], header["k"], header["trial_seed"]) == (3, [3], 500_002)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--env", "nope"), "unknown environment 'nope'"),
        (("--model", "nowhere"), "nowhere: no such model"),
        (("--model", "tiny"), "tiny: not a model"),
        (("-n", "4", "-k", "1,8"), "the best of 8 takes at least as many ideas, and n is 4"),
        (("-n", "0"), "n: expected `int` >= 1 (got 0)"),
        (("-n", "x"), "argument -n: invalid int value"),
        (("-k", "1;2"), "'1;2': numbers with commas between, as in 1,4,16"),
        (("--max-tokens", "9999"), "max_tokens is 9999; lower it"),
        (("--store", "config.yaml"), "cannot be written"),
        (("--out", "config.yaml"), "cannot be written"),
        (("--slots", "0"), "executor.slots: expected `int` >= 1"),
        (("--executor.slot", "1"), "did you mean executor.slots?"),
    ],
)
def test_a_mistake_is_one_line_before_anything_runs(
    workplace: Path, words: tuple[str, ...], complaint: str
) -> None:
    assert complaint in mistake(workplace, *ASK, *words)
    assert not list(workplace.rglob("events.jsonl"))


@pytest.mark.slow
def test_another_commands_run_is_left_alone(workplace: Path) -> None:
    assert ideator_rl(workplace, "search", "--config", "config.yaml").code == 0
    assert "the run first was started by another command" in mistake(
        workplace, *ASK, "--out", "store/runs/first"
    )


@pytest.fixture
def slow(workplace: Path) -> Path:
    """Trials take 0.1 s; each finished examination adds a line to `examined`."""
    run = workplace / "tiny/codebase/run.sh"
    run.write_text(run.read_text().replace("sleep 0\n", "sleep 0\nsleep 0.1\n"))
    evaluate = workplace / "tiny/evaluate.py"
    evaluate.write_text(
        evaluate.read_text().replace("    return", f"    open({str(workplace / 'examined')!r}, 'a')"
                                     ".write(repr(lines) + '\\n')\n    return")
    )  # fmt: skip
    return workplace


LONG = (*ASK, "-n", "40", "--max-tokens", "300", "--out", "results", "--slots", "2", "--json")


def start(workplace: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(LONG), cwd=workplace, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip


def when(process: subprocess.Popen[str], line: str) -> None:
    """Returns once the process has said it."""
    assert process.stderr is not None
    while line not in (said := process.stderr.readline()):
        assert said, f"ended without {line!r}"


def outcomes(workplace: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in (workplace / "store").rglob("outcome.json")}


@pytest.mark.slow
def test_kill_9_while_sampling_and_while_executing_loses_nothing(slow: Path) -> None:
    process = start(slow)
    when(process, "5/40")
    process.kill()
    process.communicate()
    sampled = samples(slow)
    assert len([s for s in sampled if s["row"] != "library"]) < 40 and not outcomes(slow)

    process = start(slow)
    when(process, "completed")
    when(process, "completed")
    process.kill()
    process.communicate()
    assert samples(slow)[: len(sampled)] == sampled and len(samples(slow)) == 40 + 40
    sampled, kept = samples(slow), outcomes(slow)
    assert len(kept) >= 2
    assert wait_until_gone(str(slow), 5) == []

    out, err = start(slow).communicate(timeout=120)
    assert json.loads(out)["rows"][0]["n"] == 40, err
    assert samples(slow) == sampled and kept.items() <= outcomes(slow).items()
    # A trial may have been cut between its examination and its last write, one a slot.
    hashes = {json.loads(text)["content_hash"] for text in outcomes(slow).values()}
    examined = (slow / "examined").read_text().count("\n")
    assert examined <= len(hashes) + 2


@pytest.mark.slow
def test_ctrl_c_says_how_to_go_on(slow: Path) -> None:
    for line in ("5/40", "completed"):
        process = start(slow)
        when(process, line)
        process.send_signal(signal.SIGINT)
        begun = time.monotonic()
        _, err = process.communicate(timeout=60)
        assert process.returncode == 1 and time.monotonic() - begun < 20
        assert "The same command goes on from there." in err and "Traceback" not in err
    assert len(samples(slow)) == 80


@pytest.mark.slow
def test_a_checkpoint_drives_a_search(workplace: Path) -> None:
    words = ("search", "--config", "config.yaml", "--json", "--ideator.kind", "checkpoint")
    words += ("--ideator.model", "runs/one/model", "--ideator.max_tokens", "8")
    done = ideator_rl(workplace, *words)
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found["executed"] == 12 and found["confirmation"]["state"] == "nothing to confirm"
    assert "sandbox strict" in done.err
    run = Store(workplace / "store").run("first")
    ideas = [run.idea(key) for key in run.trials() if "." not in key and key != "baseline"]
    assert all(idea.meta["idea_tokens"] >= 0 for idea in ideas)
    assert {idea.origin for idea in ideas} == {"sample", "explore"}
    shutil.rmtree(workplace / "store/runs/first/ideas/001-002")
    assert ideator_rl(workplace, *words).code == 0
    assert [run.idea(idea.id) for idea in ideas] == ideas
