from __future__ import annotations

import json
from pathlib import Path

import pytest

from executor import Store
from tests.ideator_rl.command_line import ideator_rl, in_process, make_workplace
from tests.tiny_problem import larger


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    ideas = [
        {"id": "good", "text": larger(15)},
        {"id": "empty", "text": ""},
        {"text": larger(11)},
        {"id": "frozen", "text": "[Code Changes]\nvalue: 10 -> 11\n../x.py\n<<<<<<< SEARCH\n"
         "a\n=======\nb\n>>>>>>> REPLACE"},
        {"id": "huge", "text": "x" * 10_000_000},
    ]  # fmt: skip
    (tmp_path / "ideas.jsonl").write_text("\n".join(map(json.dumps, ideas)) + "\n")
    return make_workplace(tmp_path)


def test_ideas_in_outcomes_out_in_order(workplace: Path) -> None:
    done = ideator_rl(workplace, "execute", "--env", "tiny", "--ideas", "ideas.jsonl", "--json")
    assert done.code == 0, done.err
    outcomes = [json.loads(line) for line in done.out.split("\n") if line]
    assert [(o["idea_id"], o["status"], o["reward"]) for o in outcomes] == [
        ("good", "completed", 15.0),
        ("empty", "not_implemented", 0.0),
        ("0003", "completed", 11.0),
        ("frozen", "rejected", 0.0),
        ("huge", "not_implemented", 0.0),
    ]
    fields = {"idea_id", "status", "reward", "metrics", "seed", "duration_s", "detail"}
    assert all(fields <= outcome.keys() for outcome in outcomes)
    kept = workplace / "store/runs/execute/ideas/good"
    assert {path.name for path in kept.iterdir()} == {
        "idea.json", "edits.diff", "codebase.zip", "job.json", "log.txt", "outcome.json"
    }  # fmt: skip
    assert json.loads((kept / "outcome.json").read_text()) == outcomes[0]


def test_an_outcome_is_shown_once_with_its_whole_reason(workplace: Path) -> None:
    done = ideator_rl(workplace, "execute", "--env", "tiny", "--ideas", "ideas.jsonl")
    assert done.out.count("good ") == 1 and "good " not in done.err
    reason = next(line for line in done.out.split("\n") if line.startswith("frozen"))
    assert "rejected" in reason and not reason.endswith("…")


def test_an_id_stands_for_one_text(workplace: Path) -> None:
    words = ("execute", "--env", "tiny", "--ideas", "changed.jsonl")
    changed = workplace / "changed.jsonl"
    for value, code in ((11, 0), (12, 2)):
        changed.write_text(json.dumps({"id": "a", "text": larger(value)}))
        done = ideator_rl(workplace, *words)
        assert done.code == code
    assert "idea id 'a' is taken in the run execute by another text" in done.err


def test_a_stored_codebase_runs_again_alone(workplace: Path) -> None:
    assert ideator_rl(workplace, "search", "--config", "config.yaml").code == 0
    best = max(
        (workplace / "store").rglob("outcome.json"),
        key=lambda path: json.loads(path.read_text())["reward"],
    ).parent
    done = ideator_rl(workplace, "execute", "--again", str(best), "--seed", "9", "--json")
    assert done.code == 0, done.err
    again, before = json.loads(done.out), json.loads((best / "outcome.json").read_text())
    assert again["reward"] == before["reward"] and again["seed"] == 9 and not again["cached"]


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["env: {env}\nproblem: {{}}\nmodels: [a]\n", None])
def test_runs_of_every_kind_have_codebases_to_run_again(workplace: Path, recipe) -> None:
    words = ("execute", "--env", "tiny", "--ideas", "ideas.jsonl")
    assert ideator_rl(workplace, *words, "--out", "store/runs/own").code == 0
    if recipe:
        run = Store(workplace / "store").run("own")
        run.write_recipe(recipe.format(env=workplace / "tiny"))
    again = ("execute", "--again", "store/runs/own/ideas/good", "--json")
    done = ideator_rl(workplace, *again, *(() if recipe else ("--env", "tiny")))
    assert done.code == 0 and json.loads(done.out)["reward"] == 15.0


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--env", "tiny", "--ideas", "nope"), "nope: cannot be read: No such file"),
        (("--ideas", "ideas.jsonl"), "needs --env"),
        (("--env", "tiny", "--ideas", "bad.jsonl"), "bad.jsonl:2: not an idea; write"),
        (("--env", "tiny", "--ideas", "twice.jsonl"), "two ideas have the same id"),
        (("--env", "tiny", "--ideas", "none.jsonl"), "holds no ideas"),
        (("--env", "tiny", "--ideas", "id.jsonl"), "idea id '../x'"),
        (("--env", "tiny", "--ideas", "ideas.jsonl", "--out", "x"), "not a run"),
        (("--env", "tiny", "--ideas", "ideas.jsonl", "--slots", "0"), "at least 1"),
        (("--again", "store/runs/x/ideas/y"), "not an executed idea"),
        (("--env", "tiny"), "one of the arguments --ideas --again is required"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    workplace: Path, words: tuple[str, ...], complaint: str
) -> None:
    (workplace / "bad.jsonl").write_text('{"text": "a"}\n["b"]\n')
    (workplace / "twice.jsonl").write_text('{"id": 1, "text": "a"}\n{"id": 1, "text": "b"}\n')
    (workplace / "none.jsonl").write_text("\n\n")
    (workplace / "id.jsonl").write_text('{"id": "../x", "text": "a"}\n')
    done = in_process(workplace, "execute", *words)
    assert done.code == 2 and complaint in done.err.rstrip().split("\n")[-1]
