"""nanogpt at full size: its data from texts, several processes, whole trials of small models."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from executor import Executor, Idea, ProblemError, UserError
from executor.data.prepared import data_folder, prepare_data, prepared_data, verify_data
from executor.data.script import load_script
from executor.problem.problem import Problem
from executor.settings import to_dict
from executor.trial.command import TORCHRUN
from executor.workers.local import _share_gpus, local_slots
from executor.workers.machine_shares import Shares
from gym_envs import find_problem
from gym_envs.cheats import CHEATS
from gym_envs.cheats.cheat import LANGUAGE_MODEL
from tests.gym_envs.problem_files import load
from tests.gym_envs.test_nanogpt import evaluate
from tests.ideator_rl.command_line import ideator_rl

FOLDER = Path(__file__).parents[2] / "gym_envs" / "nanogpt"
SCRIPT = FOLDER / "prepare_fineweb.py"
SMALL = {
    "resources.gpus": 0,
    "resources.cpus": 1,
    "resources.memory_gb": 4,
    "budget.kind": "cpu",
    "budget.seconds": 4.0,
    "hyperparameters.n_layer": 2,
    "hyperparameters.n_head": 2,
    "hyperparameters.n_embd": 32,
    "hyperparameters.batch_size": 2,
    "hyperparameters.warmup_steps": 4,
    "hyperparameters.learning_rate": 0.01,
    "hyperparameters.dtype": "float32",
    "hyperparameters.compile": False,
}
script = load_script(SCRIPT)
prepare = script.module
token_shards = load_script(FOLDER / "token_shards.py").module
fineweb_texts = load_script(FOLDER / "fineweb_texts.py").module


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("texts")
    library = Path(sysconfig.get_path("stdlib"))
    for name in ("argparse", "inspect", "subprocess", "tarfile", "turtle", "typing"):
        (folder / "below").mkdir(exist_ok=True)
        shutil.copyfile(library / f"{name}.py", folder / "below" / f"{name}.txt")
    (folder / "notes.pdf").write_bytes(b"\xff\xfe no text")
    return folder


@pytest.fixture(scope="module")
def data(texts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of prepared data; other tests must leave it as it is."""
    root = tmp_path_factory.mktemp("data")
    before = os.environ.get("IDEATOR_RL_DATA")
    os.environ["IDEATOR_RL_DATA"] = str(root)
    try:
        prepare_data("nanogpt", SCRIPT, str(texts))
    finally:
        os.environ.pop("IDEATOR_RL_DATA")
        if before is not None:
            os.environ["IDEATOR_RL_DATA"] = before
    return root


@pytest.fixture
def prepared(data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The prepared folder, which is what the problem finds."""
    monkeypatch.setenv("IDEATOR_RL_DATA", str(data))
    return data_folder("nanogpt", SCRIPT)


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("IDEATOR_RL_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


# ----- data


def test_the_tokens_are_the_texts(prepared: Path, texts: Path) -> None:
    from tokenizers import Tokenizer

    meta = json.loads((prepared / "train" / "meta.json").read_text())
    tokenizer = Tokenizer.from_file(str(prepared / "train" / "vocabulary.json"))
    rows = [
        np.fromfile(prepared / name / f"{name}.bin", meta["dtype"])
        for name in ("held_out", "train")
    ]
    assert [len(row) for row in rows] == [meta["tokens"]["held_out"], meta["tokens"]["train"]]
    assert len(rows[0]) % 1024 == 1 and rows[0].size > 1024
    assert max(row.max() for row in rows) < meta["tokens_in_vocabulary"] <= meta["vocab_size"]
    secret, *known = (tokenizer.decode(row, skip_special_tokens=False) for row in rows)
    pieces = list(prepare.documents(prepare.text_files(texts)))
    after = known[0].split(prepare.END)[:-1]
    assert after == pieces[len(pieces) - len(after) :]
    assert "".join(pieces).startswith(secret.replace(prepare.END, ""))
    assert 0.02 < len(rows[0]) / sum(map(len, rows)) < 0.08


_PREPARE = """
import sys, time
from pathlib import Path
sys.path.insert(0, str(Path(sys.argv[1]).parent))
import prepare_fineweb, token_shards
append = token_shards.append
def slowly(*arguments):
    append(*arguments)
    time.sleep(float(sys.argv[4]))
token_shards.append, token_shards.SHARD = slowly, 20_000
folder = Path(sys.argv[3])
train, held_out, final, work = (folder / name for name in ("train", "held_out", "final", "work"))
for place in (train, held_out, final, work):
    place.mkdir(parents=True, exist_ok=True)
prepare_fineweb.prepare(train, held_out, sys.argv[2], secret="a", final=final, work=work)
"""


def start_preparing(texts: Path, folder: Path, pause_s: float) -> subprocess.Popen:
    """Prepare in a process of its own, with shards of 20,000 tokens and a pause after each."""
    command = [sys.executable, "-c", _PREPARE, str(SCRIPT), str(texts), str(folder), str(pause_s)]
    return subprocess.Popen(command)


@pytest.mark.slow
def test_after_a_kill_in_the_middle_the_tokens_are_the_same(
    prepared: Path, texts: Path, tmp_path: Path
) -> None:
    process = start_preparing(texts, tmp_path, 0.3)
    kept = tmp_path / "work" / "shards.json"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if kept.exists() and len(json.loads(kept.read_text())["shards"]) >= 4:
            break
        time.sleep(0.02)
    process.kill()
    process.wait()
    finished = json.loads(kept.read_text())["shards"]
    assert 4 <= len(finished) < 8
    with (tmp_path / "work" / "train.bin").open("r+b") as file:
        file.seek(2 * finished[1]["tokens"] + 100)
        file.write(b"damaged")  # the second shard of training
    assert start_preparing(texts, tmp_path, 0.0).wait() == 0
    for name in ("train/train.bin", "held_out/held_out.bin"):
        assert (tmp_path / name).read_bytes() == (prepared / name).read_bytes()
    shards = json.loads((tmp_path / "train" / "meta.json").read_text())["shards"]
    assert len(shards) > 5
    assert shards[:2] == [{key: shard[key] for key in shards[0]} for shard in finished[:2]]


def test_fewer_tokens_are_held_out_of_fewer(elsewhere: Path, texts: Path) -> None:
    folder = prepare_data("nanogpt", SCRIPT, str(texts), 100_000)
    tokens = json.loads((folder / "train" / "meta.json").read_text())["tokens"]
    assert tokens["held_out"] == 4 * 1024 + 1
    assert tokens["train"] + tokens["held_out"] == 100_000


def test_windows_lie_where_the_secret_says_and_those_of_the_end_apart() -> None:
    examined, last = prepare.starts(12_289, "a secret")
    assert (len(examined), len(last)) == (10_240, 1024)
    assert set(np.diff(last)) == {1024}
    every = np.sort(np.concatenate([examined, last]))
    assert np.diff(every).min() >= 1024
    assert every[0] >= 0 and every[-1] + 1024 < 12_289 * 1024 + 1
    again, other = (prepare.starts(12_289, secret)[0] for secret in ("a secret", "another"))
    assert np.array_equal(examined, again)
    assert len(np.intersect1d(examined, other)) < 0.9 * len(examined)
    assert [len(part) for part in prepare.starts(prepare.LEAST_WINDOWS, "a secret")] == [1, 1]


def test_another_secret_takes_the_tokens_that_are_there(
    copied: Path, texts: Path, tmp_path: Path
) -> None:
    before = (copied / "train" / "train.bin").stat()
    (tmp_path / "secret").write_text("another secret of 20 letters")
    folder = prepare_data("nanogpt", SCRIPT, str(texts), secret=tmp_path / "secret")
    assert folder != copied
    assert (folder / "train" / "train.bin").stat().st_ino == before.st_ino
    starts = [np.load(place / "held_out" / "starts.npy") for place in (folder, copied)]
    assert not np.array_equal(*starts)
    assert verify_data("nanogpt", SCRIPT) == 11


def test_rows_of_the_hub_are_read_again_from_any_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"text": f"document {number}"} for number in range(4500)]
    for shard in range(3):
        lines = "".join(json.dumps(row) + "\n" for row in rows[1500 * shard : 1500 * (shard + 1)])
        (tmp_path / f"{shard}.jsonl").write_text(lines)
    config = "configs:\n- config_name: sample-10BT\n  data_files: '*.jsonl'\n"
    (tmp_path / "README.md").write_text(f"---\n{config}---\n")
    monkeypatch.setattr(fineweb_texts, "DATASET", str(tmp_path))
    chunks = list(fineweb_texts.hub_chunks({}))
    texts = [text for _, chunk in chunks for text in chunk]
    assert texts == [row["text"] for row in rows]
    for number, (state, _) in enumerate(chunks):
        again = fineweb_texts.hub_chunks(json.loads(json.dumps(state)))
        assert [text for _, chunk in again for text in chunk] == texts[1000 * number :]


@pytest.fixture
def copied(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(data, tmp_path / "data")
    monkeypatch.setenv("IDEATOR_RL_DATA", str(tmp_path / "data"))
    return data_folder("nanogpt", SCRIPT)


def test_a_damaged_shard_is_refused_by_its_checksum(copied: Path) -> None:
    assert verify_data("nanogpt", SCRIPT) == 11
    with (copied / "train" / "train.bin").open("r+b") as file:
        file.seek(1000)
        file.write(b"damaged")
    with pytest.raises(ProblemError, match=r"train\.bin: damaged.*envs prepare nanogpt$"):
        verify_data("nanogpt", SCRIPT)


def test_half_a_shard_is_refused_before_anything_runs(copied: Path) -> None:
    os.truncate(copied / "train" / "train.bin", 100_000)
    with pytest.raises(ProblemError, match=r"half a shard; run: ideator-rl envs prepare nanogpt$"):
        prepared_data("nanogpt", SCRIPT, auto=False)


def test_what_is_wrong_with_the_data_is_one_line(
    elsewhere: Path, texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def complaint(source: Path | None, tokens: int | None = None) -> str:
        with pytest.raises(ProblemError) as caught:
            prepare_data("nanogpt", SCRIPT, str(source) if source else None, tokens)
        assert "\n" not in str(caught.value)
        assert [path.name for path in elsewhere.iterdir()] == ["secret"]
        return str(caught.value)

    (tmp_path / "few").mkdir()
    assert "no text to make tokens from" in complaint(tmp_path / "few")
    (tmp_path / "few" / "a.txt").write_text("too few words")
    assert "too few" in complaint(tmp_path / "few")
    assert "61,440 are the least" in complaint(texts, 1000)
    with pytest.raises(ProblemError, match="run: ideator-rl envs prepare nanogpt"):
        find_problem("nanogpt").data()

    names = ("train", "held_out", "final", "work")
    folders = dict.fromkeys(names, tmp_path) | {"secret": "a"}
    with monkeypatch.context() as patch, pytest.raises(ValueError, match=r"GB, free are.*--tokens"):
        patch.setattr(prepare, "ALL", 10**16)
        prepare.prepare(**folders)
    with monkeypatch.context() as patch, pytest.raises(ValueError, match=r"ideator-rl\[nanogpt\]"):
        patch.setattr(prepare, "NEEDS", ("no_such_module",))
        prepare.prepare(**folders)
    (tmp_path / "shards.json").write_text('{"vocabulary": "another", "shards": []}')
    with pytest.raises(ValueError, match="another vocabulary"):
        token_shards.finished_shards(tmp_path, "this one")


def test_a_hub_that_cannot_be_reached_is_one_line_with_a_way_out(tmp_path: Path) -> None:
    alone = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path), "IDEATOR_RL_DATA": str(tmp_path)}
    done = ideator_rl(tmp_path, "envs", "prepare", "nanogpt", **alone)
    assert done.code == 2
    (line,) = done.err.strip().split("\n")
    assert "the hub did not give them" in line and "--source FOLDER" in line


# ----- training


def curve(folder: Path, words: list[str], **env: str) -> list[str]:
    """Trains to the end of the budget; the lines that it printed of the loss."""
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env={**os.environ, "BUDGET_KIND": "wall", "SEED": "0", "OMP_NUM_THREADS": "1", **env},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return re.findall(r"step \d+ .* train loss [0-9.]+", done.stdout)


@pytest.mark.slow
def test_two_processes_learn_what_one_learns_with_the_same_batch(
    prepared: Path, tmp_path: Path
) -> None:
    """As torchrun starts them, over gloo. Time is counted in looks at the clock, and batches are
    taken in order, so that both have the same steps and data."""
    sizes = {"block_size": 64, "batch_size": 8, "micro_batch_size": 4, "n_embd": 16}
    problem = small_problem({f"hyperparameters.{name}": size for name, size in sizes.items()})
    changes = {
        "started = clock()": (
            "import itertools\nclock = itertools.count().__next__\nstarted = clock()"
        ),
        "starts_B = rng.integers(0, len(tokens) - T, size=micro_batch)": (
            "first = ((step * accumulation + micro_step) * world_size + rank) * micro_batch\n"
            "    starts_B = (first + np.arange(micro_batch)) * T"
        ),
    }
    for name, text in problem.codebase.items():
        for old, new in changes.items() if name == "train.py" else ():
            assert text.count(old) == 1
            text = text.replace(old, new)
        (tmp_path / name).write_text(text)
    env = {"DATA_DIR": str(prepared / "train"), "BUDGET_SECONDS": "22"}
    one = curve(tmp_path, ["-P", str(TORCHRUN), "train.py"], GPUS="0", **env)
    (tmp_path / "candidate" / "model.pt").unlink()
    launch = "from executor.trial.torchrun import launch; launch(2, ['train.py'])"
    two = curve(tmp_path, ["-c", launch], **env, PYTHONPATH=str(FOLDER.parents[1]))
    assert len(one) == 7
    assert one == two
    losses = [float(line.rpartition(" ")[2]) for line in one]
    assert losses[-1] < losses[0] - 0.1
    assert (tmp_path / "candidate" / "model.pt").exists()


# ----- whole trials


def small_problem(overrides: dict[str, object] | None = None) -> Problem:
    return find_problem("nanogpt", SMALL | (overrides or {}))


def counting_steps(problem: Problem, steps: int) -> Problem:
    """The problem whose training ends after so many steps, however fast the machine is."""
    old, train = "started = clock()", problem.codebase["train.py"]
    assert train.count(old) == 1
    share = 0.97 * problem.file.budget.seconds / steps
    new = f"import itertools\nclock = itertools.count(0, {share}).__next__\n{old}"
    return replace(problem, codebase={**problem.codebase, "train.py": train.replace(old, new)})


def test_the_full_problem_is_gpt2_124m_on_eight_gpus() -> None:
    problem = find_problem("nanogpt")
    (model_py,) = [text for name, text in problem.codebase.items() if name == "model.py"]
    assert model_py == (FOLDER / "codebase" / "model.py").read_text()
    model = load(FOLDER / "codebase" / "model.py")
    with torch.device("meta"):
        count = sum(p.numel() for p in model.GPT(model.Config(vocab_size=50257)).parameters())
    assert round(count / 1e6) == 124
    assert (problem.file.resources.gpus, problem.file.budget.seconds) == (8, 1500)


def test_gpus_that_are_not_there_are_missed_before_anything_runs(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,3,4")
    with pytest.raises(UserError, match=r"asks for 8 GPUs .* has 4: set problem\.resources\.gpus"):
        Executor(find_problem("nanogpt"), store=tmp_path / "store")
    with pytest.raises(UserError, match=r"3 slots of 2 GPUs .* set executor\.slots to 2"):
        local_slots(3, 1, 2)
    assert (local_slots(2, 1, 2), local_slots(None, 1, 4)) == (2, 1)
    assert _share_gpus(Shares(), 2, 2) == ["0,1", "3,4"]
    assert not (tmp_path / "store").exists()
    env = {**os.environ, "GPUS": "8"}
    done = subprocess.run(
        [sys.executable, "-P", str(TORCHRUN), "train.py"], env=env, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.startswith("this trial asks for 8 GPUs and finds 4: ")


@pytest.mark.slow
def test_small_models_are_trained_and_examined_whole_and_looking_ahead_gains_nothing(
    prepared: Path, tmp_path: Path
) -> None:
    problem = counting_steps(small_problem({"budget.seconds": 60.0}), 40)
    leak = next(cheat for cheat in CHEATS if cheat.name == "leaks-the-next-token")
    nan = Idea("nan", "[Experiment] Break it.\n[Code Changes]\nlearning_rate: 0.01 -> 1e30")
    with Executor(problem, store=tmp_path / "store", slots=2) as executor:
        trials = [executor.submit_baseline(), executor.submit(leak.idea(LANGUAGE_MODEL, {}))]
        trials.append(executor.submit(nan))
        honest, ahead, broken = (trial.result() for trial in trials)
    assert honest.completed, honest.detail
    vocabulary = json.loads((prepared / "train" / "meta.json").read_text())["vocab_size"]
    assert honest.metrics["loss"] < math.log(vocabulary) - 0.5
    assert honest.reward == pytest.approx(1 / honest.metrics["loss"])
    assert ahead.status == "completed"
    logs = {
        name: (tmp_path / f"store/runs/default/ideas/{name}/log.txt").read_text()
        for name in ("baseline", leak.name)
    }
    trained = {name: float(re.findall(r"train loss (\S+)", log)[-1]) for name, log in logs.items()}
    assert trained[leak.name] < trained["baseline"] - 0.5
    assert ahead.reward < 1.01 * honest.reward
    assert (broken.status, broken.reward) == ("crashed", 0.0)
    assert "the loss became nan" in broken.detail


@pytest.mark.slow
def test_a_speedrun_is_rewarded_for_time_and_only_where_the_examined_loss_is_low(
    prepared: Path, tmp_path: Path
) -> None:
    """It stops at a loss that it measures itself; the reward goes by the examiner's."""
    sizes = {"target_loss": 6.5, "unseen_windows": 2, "check_every": 5}
    target = {f"hyperparameters.{name}": value for name, value in sizes.items()}
    bounds = {"reward.at_most.loss": 7.0, "reward.plausible": 10.0}
    problem = find_problem("nanogpt-speedrun", SMALL | target | bounds)
    claim = Idea(
        "claim",
        "[Experiment] Say that it is there at once.\n[Code Changes]\ntarget_loss: 6.5 -> 99.0\n",
    )
    with Executor(problem, store=tmp_path / "store", slots=2) as executor:
        trials = [executor.submit_baseline(), executor.submit(claim)]
        baseline, early = (trial.result() for trial in trials)
    assert baseline.completed, baseline.detail
    assert baseline.metrics["loss"] <= 7.0
    assert baseline.metrics["charged_s"] == baseline.charged_s < 0.97 * 4.0
    assert baseline.reward == pytest.approx(1 / baseline.charged_s)
    assert early.charged_s < baseline.charged_s
    assert (early.status, early.reward) == ("completed", 0.0)
    assert re.fullmatch(r"loss \d\.\d{4}: a reward asks for at most 7", early.detail)


@pytest.mark.release  # a minute of compiling
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_a_model_is_compiled_inside_the_sandbox(prepared: Path, tmp_path: Path) -> None:
    patient = {"budget.kind": "wall", "budget.seconds": 300.0, "hyperparameters.compile": True}
    early = {"hyperparameters.target_loss": 99.0, "hyperparameters.check_every": 5}
    problem = small_problem({**patient, **early, "hyperparameters.unseen_windows": 2})
    with Executor(problem, store=tmp_path / "store", slots=1) as executor:
        compiled = executor.submit_baseline().result()
    assert compiled.completed, compiled.detail
    assert "stopped after step 5 " in executor.run.log("baseline")


@pytest.mark.parametrize(
    ("name", "sections"),
    [
        ("nanogpt-speedrun", {"budget", "reward", "hyperparameters"}),
        ("nanogpt-1gpu", {"resources"}),
        ("nanogpt-paper", {"codebase", "library", "budget"}),
    ],
)
def test_a_variant_shares_data_and_all_but_some_sections(
    prepared: Path, name: str, sections: set[str]
) -> None:
    full, variant = find_problem("nanogpt"), find_problem(name)
    assert variant.data() == full.data()
    settings, others = to_dict(full.file), to_dict(variant.file)
    differ = {key for key in settings if settings[key] != others[key]}
    assert differ == {"name", "id", "title", "task", "data"} | sections


# ----- examination


class Fixed:
    """A candidate that answers with the same logits each time."""

    def __init__(self, logits_BV: np.ndarray) -> None:
        self.logits_BV = logits_BV

    def ask(self, question: np.ndarray, *, out: np.ndarray, **_: object) -> np.ndarray:
        out[:] = self.logits_BV
        return out


def test_torch_scores_as_numpy_does() -> None:
    rng = np.random.default_rng(0)
    logits_BV = rng.normal(0, 8, (5, 3000)).astype(np.float16)
    targets_B = rng.integers(0, 3000, 5)
    ask = evaluate.ask_with_torch(8, 3000, "cpu")
    nats_B = ask(Fixed(logits_BV), targets_B, targets_B, (5, 3000), "float16")
    np.testing.assert_allclose(nats_B, evaluate.cross_entropy(logits_BV, targets_B), rtol=1e-5)
    logits_BV[3, 7] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        ask(Fixed(logits_BV), targets_B, targets_B, (5, 3000), "float16")
