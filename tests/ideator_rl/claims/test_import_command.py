from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from executor import Store
from ideator_rl.claims.kept_claims import read_claims, read_import
from tests.ideator_rl.command_line import in_process, make_workplace
from tests.tiny_problem import larger

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

ROW = {"id": "a", "run": "r", "env": "tiny", "idea": larger(15), "result": {"value": 99.0}}


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    return make_workplace(tmp_path)


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    parquet.write_table(pa.Table.from_pylist(rows), path)
    return path


def take(workplace: Path, source: object, *words: str) -> str:
    """What a refused import says, in one line; it leaves nothing behind."""
    done = in_process(workplace, "import", str(source), "--run", "theirs", "--env", "tiny", *words)
    assert done.code == 2 and done.err.count("\n") == 1 and not done.out
    assert "\x1b" not in done.err and len(done.err) < 800
    assert not os.path.exists(workplace / "store/runs/theirs/claims.jsonl")
    return done.err


def test_ideas_of_a_set_become_claims_of_a_run(workplace: Path) -> None:
    write(workplace / "set.parquet", [ROW, ROW | {"id": "b", "result": None}])
    words = ("import", "set.parquet", "--run", "theirs", "--env", "tiny")
    done = in_process(workplace, *words)
    assert done.code == 0, done.err
    told = "set.parquet: 2 ideas on tiny, 1 of them claimed to complete; it does not say: "
    assert done.err.startswith(told + "problem_version, thinking")
    run = Store(workplace / "store").run("theirs")
    claim, _ = read_claims(run)
    assert (claim.text, claim.reward, claim.id) == (larger(15), 99.0, "claim-00000")
    assert os.listdir(workplace / "store") == ["runs"] and run.trials() == []
    kept = (workplace / "store/runs/theirs/claims.jsonl").read_bytes()
    assert "imported before" in in_process(workplace, *words).err
    assert (workplace / "store/runs/theirs/claims.jsonl").read_bytes() == kept
    write(workplace / "set.parquet", [ROW])
    done = in_process(workplace, *words)
    assert done.code == 2 and "choose another name with --run" in done.err


def test_a_set_of_lines_is_read_from_a_folder_into_a_bucket(workplace: Path) -> None:
    (workplace / "set").mkdir()
    (workplace / "set/ideas.jsonl").write_text(
        json.dumps({"text": larger(3), "env": "tiny"}) + "\n"
    )
    store = f"memory://{workplace.name}-import"
    done = in_process(workplace, "import", "set", "--run", "x", "--store", store, "--env", "tiny")
    assert done.code == 0, done.err
    assert [claim.text for claim in read_claims(Store(store).run("x"))] == [larger(3)]


def test_a_set_on_several_problems_asks_for_one(workplace: Path) -> None:
    write(workplace / "set.parquet", [ROW, ROW | {"env": "other"}])
    words = ("import", "set.parquet", "--run", "theirs")
    done = in_process(workplace, *words)
    assert done.code == 2 and "has ideas on other, tiny; choose one of them" in done.err
    assert "1 ideas on tiny" in in_process(workplace, *words, "--env", "tiny").err
    imported = read_import(Store(workplace / "store").run("theirs"))
    assert imported is not None and (imported.problem, imported.claims) == ("tiny", 1)


def test_again_executes_the_ideas_here_and_nothing_else_counts(workplace: Path) -> None:
    # The diff says what was run elsewhere; the text of the last one has no edits.
    diff = (
        "--- a/settings.py\n+++ b/settings.py\n@@ -1,2 +1,2 @@\n"
        "-value = 10\n+value = 12\n bonus = 0\n"
    )
    rows = [ROW, ROW | {"idea": "[Experiment] Words.", "code_diff": diff}, ROW | {"idea": "Words."}]
    write(workplace / "set.parquet", [{"code_diff": None} | row for row in rows])
    words = ("import", "set.parquet", "--run", "theirs", "--env", "tiny", "--again")
    done = in_process(workplace, *words, "--sandbox", "best-effort")
    assert done.code == 0, done.err
    assert "executed here: 2 of 3 ideas completed" in done.err
    run = Store(workplace / "store").run("theirs")
    outcomes = run.outcomes(run.trials())
    assert {key: (o.status, o.reward) for key, o in outcomes.items()} == {
        "claim-00000": ("completed", 15.0),
        "claim-00001": ("completed", 12.0),
        "claim-00002": ("not_implemented", 0.0),
    }
    assert not any(outcome.cached for outcome in outcomes.values())
    assert in_process(workplace, *words, "--sandbox", "best-effort").code == 0
    assert run.outcomes(run.trials()) == outcomes


def test_wrong_types_are_told_by_row_and_column(workplace: Path) -> None:
    write(workplace / "a.parquet", [{"idea": 3}])
    assert "row 0: idea: expected `str`" in take(workplace, "a.parquet")
    write(workplace / "b.parquet", [{"idea": b"\x00\xff"}])
    assert "values of the type bytes" in take(workplace, "b.parquet")
    write(workplace / "c.parquet", [ROW | {"epoch": 1.0}, ROW | {"epoch": 0.5}])
    assert "row 1: epoch: expected" in take(workplace, "c.parquet")
    write(workplace / "d.parquet", [{"idea\x1b[2J": "x"}])
    assert "none of its columns is known here" in take(workplace, "d.parquet")
    write(workplace / "e.parquet", [{"epoch": 1}])
    assert "row 0: idea: required, but missing" in take(workplace, "e.parquet")


def test_what_is_no_set_is_told_in_one_line(workplace: Path) -> None:
    (workplace / "a.parquet").write_bytes(b"PAR1 not really \x1b[2J PAR1")
    assert "cannot be read" in take(workplace, "a.parquet")
    (workplace / "b.parquet").write_bytes(b"")
    assert "cannot be read" in take(workplace, "b.parquet")
    (workplace / "c.jsonl").write_text("[1, 2]\n")
    assert "line 1 is not a JSON object" in take(workplace, "c.jsonl")
    (workplace / "d.jsonl").write_text("[" * 200_000)
    assert "cannot be read" in take(workplace, "d.jsonl")
    (workplace / "e.jsonl").write_text("\n")
    assert "holds no rows" in take(workplace, "e.jsonl")
    (workplace / "f").mkdir()
    assert "holds no Parquet or JSONL files" in take(workplace, "f")
    assert "no such file or folder" in take(workplace, "nowhere/at/all")


def test_control_characters_are_written_out(workplace: Path) -> None:
    (workplace / "a.jsonl").write_text(
        json.dumps({"idea": "a\x1b]0;b\x07\ud800\u202e\x00", "epoch": -5, "ideator_model": "x\ny"})
    )
    done = in_process(workplace, "import", "a.jsonl", "--run", "theirs", "--env", "tiny")
    assert done.code == 0, done.err
    (claim,) = read_claims(Store(workplace / "store").run("theirs"))
    assert claim.text == "a\\x1b]0;b\\x07\\ud800\\u202e\\x00"
    assert (claim.epoch, claim.ideator_model) == (0, "x y")


@pytest.mark.slow
def test_a_million_rows_are_too_many(workplace: Path) -> None:
    table = pa.table({"idea": pa.array(["x"]).take(pa.array([0] * 1_000_000))})
    parquet.write_table(table, workplace / "many.parquet")
    assert "more than 100,000 rows" in take(workplace, "many.parquet")


@pytest.mark.slow
def test_a_text_that_unpacks_to_any_length_is_not_unpacked(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ideator_rl.claims.foreign_set.MOST_BYTES", 2**24)
    for length, told in ((2**18, "more than 16 MiB of text"), (2**24, "a text of 16,777,216")):
        large = pa.array(["x" * length])
        column = pa.DictionaryArray.from_arrays(pa.array([0] * 50_000, pa.int32()), large)
        path = workplace / "bomb.parquet"
        parquet.write_table(pa.table({"idea": column}), path, compression="zstd")
        assert path.stat().st_size < 100_000
        assert told in take(workplace, "bomb.parquet")
