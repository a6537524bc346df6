from __future__ import annotations

import getpass
import json
import os
import socket
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml

from executor import Idea, Implementation, Store
from executor.data.prepared import data_root
from executor.records import Turn
from executor.store.runs import RunFolder
from ideator_rl.sharing.columns import COLUMNS
from ideator_rl.sharing.data_set import DATA
from tests.hub_server import hub_server
from tests.ideator_rl.command_line import ideator_rl, in_process
from tests.ideator_rl.report_runs import (
    BASE,
    begin,
    completed,
    confirmed_run,
    training_run,
    write_trial,
)

parquet = pytest.importorskip("pyarrow.parquet")
datasets = pytest.importorskip("datasets")

PAPER = {"idea", "code_diff", "epoch", "ideator_model", "executor_model", "env", "result"}
KEY, BEARER, RECIPE_KEY = "value-of-a-key-93", "Bearer zyx987wvu654tsr", "in-the-recipe-55"
USER, HOST = "janedoe", "janes-laptop"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("exports") / "store"
    confirmed_run(store)
    training_run(store)
    return store


def export(folder: Path, *runs: object, **env: str) -> list[dict[str, Any]]:
    """The rows of an export into `folder`/out."""
    done = in_process(folder, "export", *map(str, runs), "--out", "out", **env)
    assert done.code == 0, done.err
    return parquet.read_table(folder / "out" / DATA).to_pylist()


def test_datasets_loads_what_was_exported(store: Path, tmp_path: Path) -> None:
    export(tmp_path, store / "runs/digits-evolution-seed0", store / "runs/digits-grpo-seed0")
    loaded = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    ideas = loaded["train"]
    assert PAPER <= set(ideas.column_names) == set(COLUMNS)
    searched = [row for row in ideas if row["run"] == "digits-evolution-seed0"]
    assert len(searched) == 60 < len(ideas)
    best = max((row for row in searched if row["result"]), key=lambda row: row["reward"])
    assert best["result"] == {"accuracy": best["reward"]} and best["env"] == "digits"
    assert best["confirmation"]["survives"] is True and len(best["confirmation"]["rewards"]) == 3
    assert sum(row["confirmation"] is not None for row in searched) == 3
    assert any(row["parents"] for row in searched) and round(best["baseline_reward"], 4) == 0.8998
    failed = next(row for row in searched if row["status"] == "crashed")
    assert failed["result"] is None and failed["detail"] and failed["reward"] == 0.0
    taught = next(row for row in ideas if row["origin"] == "grpo")
    assert taught["thinking"].startswith("Considered") and taught["epoch"] == 1


def test_the_card_tells_of_every_run_and_column(store: Path, tmp_path: Path) -> None:
    export(tmp_path, store / "runs/digits-evolution-seed0")
    card = (tmp_path / "out/README.md").read_text()
    front = yaml.safe_load(card.split("---\n")[1])
    assert front["configs"][0]["data_files"] == [{"split": "train", "path": "data/*.parquet"}]
    assert "| digits-evolution-seed0 | digits | `0123` | 60 | 40 |" in card
    assert all(f"| `{name}` |" in card for name in COLUMNS)


def leaky_run(store: str) -> RunFolder:
    """A run whose texts name all that is nobody else's business."""
    run = Store(store).run("leaky")
    run.write_recipe(
        "env: digits\nsearch: {}\nideator:\n  kind: api\n  llm: {model: writer-1}\n"
        f"implementer:\n  kind: plugin\n  name: mine\n  options: {{api_key: {RECIPE_KEY}}}\n"
    )
    begin(run)
    leaks = "\n".join(
        [
            *(f"key {KEY}", BEARER, RECIPE_KEY, (data_root() / "secret").read_text()),
            *(str(Path.home() / "x"), f"{store}/x", tempfile.gettempdir() + "/scratch-1/x"),
            *(str(Path.cwd()), "\x1b[2J hidden \ud800", f"{USER} on {HOST}"),
        ]
    )
    idea = Idea("000-000", f"[Experiment] {leaks}", meta={"thinking": leaks, "title": leaks})
    outcome = replace(completed("000-000", 0.9), detail=leaks, sandbox=leaks)
    turn = Turn(0, "implement", leaks, leaks, model=f"coder {KEY}")
    diff = f"+{leaks}\n".encode(errors="replace").decode()
    made = Implementation("completed", BASE, diff, exchange=(turn,))
    run.write_idea(idea.id, idea)
    run.write_implementation(idea.id, made)
    run.write_outcome(idea.id, outcome)
    return run


@pytest.mark.parametrize("where", ["folder", "bucket"])
def test_no_secret_and_no_path_of_the_machine_is_in_a_file(
    tmp_path: Path, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: USER)
    monkeypatch.setattr(socket, "gethostname", lambda: HOST)
    store = str(tmp_path / "store") if where == "folder" else f"memory://{uuid4().hex}/store"
    rows = export(tmp_path, leaky_run(store).url, SOME_API_KEY=KEY)
    texts = json.dumps(rows, ensure_ascii=False)
    written = b"".join(path.read_bytes() for path in tmp_path.glob("out/**/*") if path.is_file())
    home, secret = str(Path.home()), (data_root() / "secret").read_text().strip()
    for leak in (KEY, BEARER, BEARER.split()[1], RECIPE_KEY, secret, f"{home}/x", store):
        assert leak not in texts and leak.encode() not in written
    for leak in (f"{os.getcwd()}\n", HOST, USER, "scratch-1", str(tmp_path), "\x1b", "\ud800"):
        assert leak not in texts
    assert "[key]" in rows[0]["idea"] and "[store]/x" in rows[0]["thinking"]
    assert rows[0]["ideator_model"] == "writer-1" and rows[0]["executor_model"] == "coder [key]"


def test_a_run_of_execute_has_no_recipe_and_says_less(tmp_path: Path) -> None:
    run = Store(tmp_path / "store").run("mine")
    begin(run)
    write_trial(run, Idea("a", "[Experiment] A."), completed("a", 0.9))
    (row,) = export(tmp_path, run.url)
    assert (row["idea"], row["reward"], row["ideator_model"]) == ("[Experiment] A.", 0.9, None)
    assert row["baseline_reward"] is None and row["thinking"] is None


def test_a_folder_that_is_there_is_left_as_it_is(store: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine").write_text("mine")
    words = ("export", str(store / "runs/digits-grpo-seed0"), "--out", "out")
    done = in_process(tmp_path, *words)
    assert done.code == 2 and "is there already" in done.err
    assert os.listdir(tmp_path) == ["out"] and os.listdir(tmp_path / "out") == ["mine"]


def test_what_cannot_be_written_leaves_nothing(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(parquet, "write_table", full)
    done = in_process(tmp_path, "export", str(store / "runs/digits-grpo-seed0"), "--out", "out")
    assert done.code == 2 and "No space left on device" in done.err
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("store/runs/none", "--out", "out"), "no such run"),
        (("store/runs/empty", "--out", "out"), "no executed idea"),
        (("nonsense", "--out", "out"), "not a run"),
        (("store/runs/empty", "--push", "a name"), "write org/name"),
        (("store/runs/empty",), "--out"),
    ],
)
def test_mistakes_are_told_in_one_line(tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    begin(Store(tmp_path / "store").run("empty"))
    done = in_process(tmp_path, "export", *words)
    assert done.code == 2 and told in done.err and done.err.count("\n") == 1
    assert os.listdir(tmp_path) == ["store"]


@pytest.mark.slow
def test_a_pushed_set_is_private_and_can_be_imported_from_the_hub(
    store: Path, tmp_path: Path
) -> None:
    env = {"HF_HOME": str(tmp_path / "hf"), "HF_TOKEN": "hf_of_the_tests"}
    with hub_server() as hub:
        env["HF_ENDPOINT"] = hub.url
        run = str(store / "runs/digits-grpo-seed0")
        done = ideator_rl(tmp_path, "export", run, "--push", "org/ideas", **env)
        assert done.code == 0, done.err
        assert done.out.strip() == f"{hub.url}/datasets/org/ideas"
        assert hub.private == {"org/ideas": True}
        assert set(hub.files["org/ideas"]) == {"README.md", DATA}
        assert hub.files["org/ideas"][DATA][:4] == b"PAR1"

        done = ideator_rl(tmp_path, "import", "org/ideas", "--run", "theirs", **env)
        assert done.code == 0, done.err
        assert "org/ideas: 21 ideas on digits" in done.err
        done = ideator_rl(tmp_path, "export", run, "--push", "org/x", **env | {"HF_TOKEN": "hf_no"})
        assert done.code == 2 and done.err.count("\n") == 1 and "cannot be pushed" in done.err


def test_a_hub_that_is_not_there_is_told_in_one_line(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What HF_ENDPOINT sets, which the package reads when it is imported.
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    run = str(store / "runs/digits-grpo-seed0")
    for words in (("export", run, "--push", "org/x"), ("import", "org/x", "--run", "x")):
        done = in_process(tmp_path, *words)
        assert done.code == 2 and done.err.count("\n") == 1
        assert "http://127.0.0.1:9" in done.err and "Connection refused" in done.err


def test_without_the_extra_one_line_says_which(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ideator_rl.hub.find_spec", lambda name: None)
    done = in_process(tmp_path, "export", str(store / "runs/digits-grpo-seed0"), "--out", "out")
    assert done.code == 2 and "ideator-rl[share]" in done.err
