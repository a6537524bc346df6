"""Winners of a search as another problem that shares the codebase."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from executor.problem.problem import Problem, load_problem
from executor.store.runs import Store
from gym_envs import find_problem
from ideator_rl.analysis import load_run
from ideator_rl.analysis.run_data import RunData
from ideator_rl.search.other_problem import carried, difference
from tests.ideator_rl.command_line import Done, in_process, make_workplace
from tests.tiny_problem import TOML

# The same codebase with another bonus, and the reward from another metric.
SPEEDRUN = TOML.format(name="tiny-small", id="TinySmall-v0").replace(
    "plausible = 1e9", 'rule = "inverse"\n[hyperparameters]\nbonus = 5'
)
ENVS = Path(__file__).parents[3] / "gym_envs"


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    folder = make_workplace(tmp_path)
    (folder / "tiny/problem-small.toml").write_text(SPEEDRUN)
    return folder


def searched(folder: Path, *words: str) -> Done:
    other = ("--confirm.as", str(folder / "tiny/problem-small.toml"))
    return in_process(folder, "search", "--config", "config.yaml", *other, *words)


def read(folder: Path, run: str) -> RunData:
    return load_run(Store(folder / "store").run(run))


def test_winners_run_as_the_other_problem_beside_its_own_baseline(workplace: Path) -> None:
    done = searched(workplace, "--budget.ideas", "4", "--executor.slots", "1", "--json")
    assert done.code == 0, done.err
    told = json.loads(done.out)["confirmation"]
    assert (told["as"], told["state"]) == ("tiny-small", "done")
    assert "side by side with the baseline of tiny-small" in done.err

    data, other = read(workplace, "first"), read(workplace, "first-as-tiny-small")
    assert data.confirmation is None and other.winners_of == "first"
    (linked,) = data.elsewhere
    assert linked.confirmation == other.confirmation and linked.problem == "tiny-small"
    found = other.confirmation
    assert found and found.state == "done"
    assert found.baseline == (1 / 15, 1 / 15)  # value 10, bonus 5
    values = {idea.idea_id: idea.metrics["value"] for idea in data.ideas if idea.measured}
    for idea in found.ideas:
        code = Store(workplace / "store").run("first").codebase(idea.idea_id) or {}
        # A bonus of the winner's own stays; else it is the other problem's.
        gain = 5 if "bonus = 0" in code["settings.py"] else 0
        assert idea.rewards == pytest.approx((1 / (values[idea.idea_id] + gain),) * 2)
        assert idea.first is None and idea.winners_curse is None
    page = (workplace / "store/runs/first/report.html").read_text()
    assert "As tiny-small" in page and "there the reward is 1 / value" in page
    assert (workplace / "store/runs/first-as-tiny-small/report.html").is_file()

    trials = len(Store(workplace / "store").run("first-as-tiny-small").events())
    again = searched(workplace, "--budget.ideas", "4", "--executor.slots", "1", "--json")
    assert json.loads(again.out)["confirmation"] == told
    events = Store(workplace / "store").run("first-as-tiny-small").events()[trials:]
    assert not [event for event in events if event["event"] == "trial"]


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        (('editable = ["run.sh", "settings.py"]', 'editable = ["settings.py"]'), "files.editable"),
        (("bonus = 5", "malus = 5"), "malus"),
        (("title", 'codebase = "other"\ntitle'), "run.sh differs"),
    ],
)
def test_another_codebase_is_one_line_before_anything_starts(
    workplace: Path, edit: tuple[str, str], why: str
) -> None:
    (workplace / "tiny/problem-small.toml").write_text(SPEEDRUN.replace(*edit))
    (workplace / "tiny/other").mkdir()
    for name, text in {"run.sh": "true\n", "settings.py": "value = 10\nbonus = 0\n"}.items():
        (workplace / "tiny/other" / name).write_text(text)
    done = searched(workplace)
    assert done.code == 2 and done.out == ""
    (line,) = done.err.splitlines()
    assert why in line and "Traceback" not in line
    assert not (workplace / "store/runs/first").exists()


def test_an_unknown_problem_is_one_line_before_anything_starts(workplace: Path) -> None:
    done = in_process(workplace, "search", "--config", "config.yaml", "--confirm.as", "tine")
    assert done.code == 2 and done.err.count("\n") == 1 and "unknown environment 'tine'" in done.err


def test_keys_of_the_other_problem_can_be_overridden(workplace: Path) -> None:
    done = searched(workplace, "--confirm.problem.resources.gpus", "512")
    assert done.code == 2 and "confirm.as: tiny-small: a trial asks for 512 GPUs" in done.err


def test_a_dry_run_prices_the_other_problem(workplace: Path) -> None:
    done = searched(workplace, "--dry-run", "--json", "--confirm.problem.budget.seconds", "3600")
    found = json.loads(done.out)
    # Two winners and the baseline on two seeds, an hour each.
    assert found["stages"]["confirmation"]["expected"]["slot_h"] == pytest.approx(6)
    assert "assumed: 3,600 s a trial as tiny-small" in found["assumptions"]


def nanogpt(name: str) -> Problem:
    return load_problem(ENVS / "nanogpt" / name)


def test_the_problems_of_nanogpt_share_a_codebase() -> None:
    loss, speed = nanogpt("problem.toml"), nanogpt("problem-speedrun.toml")
    assert difference(loss, speed) == difference(nanogpt("problem-1gpu.toml"), speed) == ""
    assert difference(nanogpt("problem-tiny.toml"), loss) == ""
    assert "differ" in difference(loss, nanogpt("problem-paper.toml"))
    assert "differ" in difference(loss, find_problem("digits"))


def test_what_a_winner_left_alone_becomes_the_other_problems() -> None:
    loss, speed = nanogpt("problem.toml"), nanogpt("problem-speedrun.toml")
    assert carried(loss.codebase, loss, speed) == speed.codebase
    model = loss.codebase["model.py"].replace(
        "weight_decay: float = 0.1", "weight_decay: float = 0.2"
    )
    found = carried({**loss.codebase, "model.py": model}, loss, speed)
    assert found["model.py"] == speed.codebase["model.py"].replace(
        "decay: float = 0.1", "decay: float = 0.2"
    )
    # What it changed, or made unreadable, stays as it is.
    own = {
        **loss.codebase,
        "model.py": model.replace("target_loss: float = 0.0", "target_loss: float = 3.0"),
    }
    assert carried(own, loss, speed) == own
    broken = {**loss.codebase, "model.py": "def"}
    assert carried(broken, loss, speed) == broken


def test_a_small_winner_becomes_a_large_one() -> None:
    tiny, loss = nanogpt("problem-tiny.toml"), nanogpt("problem.toml")
    model = tiny.codebase["model.py"].replace("n_layer: int = 4", "n_layer: int = 6")
    model = model.replace("F.gelu", "F.relu")
    found = carried({**tiny.codebase, "model.py": model}, tiny, loss)["model.py"]
    assert "n_layer: int = 6" in found and "n_embd: int = 768" in found and "F.relu" in found
