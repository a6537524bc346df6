"""problem.toml: what is wrong is said in one line, and equal versions mean equal results."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import pytest

from executor import Idea, ProblemError, load_problem
from executor.edits import ForbiddenEdit, apply_edits
from executor.outcomes import outcome_of
from executor.problem.problem import MAX_FILE_BYTES
from executor.records import Trial
from tests.tiny_problem import make_problem

TOML = """
name = "sample"
id = "Sample-v0"
title = "One line"
task = "Make it better."
codebase = "codebase"
[run]
entry = ["python", "train.py"]
preload = ["math"]
candidate = ["python", "serve.py"]
[files]
editable = ["train.py", "lib/*.py"]
frozen = ["serve.py"]
[resources]
cpus = 1
gpus = 0
memory_gb = 2.0
[budget]
kind = "cpu"
seconds = 20.0
startup_seconds = 30.0
examine_seconds = 60.0
[data]
prepare = "prepare.py"
auto = true
[reward]
metric = "loss"
rule = "inverse"
[hyperparameters]
n_layer = 4
"""
FILES = {
    "problem.toml": TOML,
    "codebase/train.py": "n_layer: int = 12  # layers\nrate = 1.0\nn_head = 2\n",
    "codebase/lib/net.py": "n_head = 4\n",
    "codebase/serve.py": "answer = 42\n",
    "evaluate.py": "def examine(candidate, held_out):\n    return {'loss': 1.0}\n",
    "prepare.py": (
        "def prepare(train, held_out, source=None):\n    (train / 'x').write_text('1')\n"
    ),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / "sample" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "sample" / name).write_text(text)
    return tmp_path / "sample"


def edit(folder: Path, old: str, new: str, name: str = "problem.toml") -> Path:
    text = (folder / name).read_text()
    assert text.count(old) == 1
    (folder / name).write_text(text.replace(old, new))
    return folder


def complaint(folder: Path, overrides: dict[str, object] | None = None) -> str:
    """The one line that is said about a problem that cannot be used."""
    with pytest.raises(ProblemError) as caught:
        load_problem(folder, overrides)
    text = str(caught.value)
    assert text and text.splitlines() == [text]
    return text


def test_a_problem_is_read_with_its_hyperparameters_written_in(folder: Path) -> None:
    problem = load_problem(folder)
    assert problem.codebase["train.py"] == "n_layer: int = 4  # layers\nrate = 1.0\nn_head = 2\n"
    assert set(problem.codebase) == {"train.py", "lib/net.py", "serve.py"}
    assert problem.frozen_files == {"serve.py": "answer = 42\n"}
    assert (problem.name, problem.folder) == ("sample", folder)
    assert problem.path == load_problem(folder / "problem.toml").path


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ('title = "One line"', 'title = "One line"\nsubtitle = "x"', "subtitle: unknown key"),
        ("cpus = 1", "cpus = 1\ncores = 1", "resources.cores: unknown key"),
        ("[data]", "[date]", "date: unknown key"),
        ('name = "sample"\n', "", "name: required"),
        ('kind = "cpu"\n', "", "budget.kind: required"),
        ('entry = ["python", "train.py"]\n', "", "run.entry: required"),
        ('name = "sample"', 'name = "Sample!"', "name: "),
        ('name = "sample"', "name = 3", "name: "),
        ('id = "Sample-v0"', 'id = "Sample"', "id: "),
        ('id = "Sample-v0"', 'id = "research/Sample-v0"', "id: "),
        ('title = "One line"', "title = []", "title: "),
        ('task = "Make it better."', 'task = ""', "task: "),
        ('entry = ["python", "train.py"]', 'entry = "python train.py"', "run.entry: "),
        ('entry = ["python", "train.py"]', "entry = []", "run.entry: "),
        ('entry = ["python", "train.py"]', 'entry = ["python"]', "run.entry: "),
        ('candidate = ["python", "serve.py"]', 'candidate = ["python"]', "run.candidate: "),
        ('preload = ["math"]', 'preload = "math"', "run.preload: "),
        ('candidate = ["python", "serve.py"]', "candidate = 1", "run.candidate: "),
        ('editable = ["train.py", "lib/*.py"]', "editable = []", "files.editable: "),
        ('"lib/*.py"]', '"lib/*.c"]', "files.editable: 'lib/*.c' matches nothing"),
        ('frozen = ["serve.py"]', 'frozen = ["serve.c"]', "files.frozen: 'serve.c' matches"),
        ("cpus = 1", "cpus = 0", "resources.cpus: "),
        ("gpus = 0", "gpus = -1", "resources.gpus: "),
        ("memory_gb = 2.0", "memory_gb = 0", "resources.memory_gb: "),
        ('kind = "cpu"', 'kind = "gpu"', "budget.kind: "),
        ("\nseconds = 20.0", "\nseconds = -20.0", "budget.seconds: "),
        ("\nseconds = 20.0", "\nseconds = nan", "budget.seconds: "),
        ("\nseconds = 20.0", "\nseconds = inf", "budget.seconds: "),
        ("\nseconds = 20.0", '\nseconds = "long"', "budget.seconds: "),
        ("startup_seconds = 30.0", "startup_seconds = 0", "budget.startup_seconds: "),
        ("examine_seconds = 60.0", "examine_seconds = -1", "budget.examine_seconds: "),
        ('prepare = "prepare.py"', "prepare = true", "data.prepare: "),
        ('prepare = "prepare.py"', 'prepare = "other.py"', "data.prepare: "),
        ('prepare = "prepare.py"', f'prepare = "{__file__}"', "data.prepare"),
        ("auto = true", 'auto = "sometimes"', "data.auto: "),
        ('metric = "loss"\n', "", "reward.metric: required"),
        ('rule = "inverse"', 'rule = "1/x"', "reward.rule: "),
        ("n_layer = 4", "n_layer = [4]", "hyperparameters: "),
        ("n_layer = 4", "n_layers = 4", "hyperparameters: "),
        ("n_layer = 4", "n_head = 4", "hyperparameters: "),
        ('codebase = "codebase"', 'codebase = "elsewhere"', "codebase: the folder"),
        ('codebase = "codebase"', 'codebase = "evaluate.py"', "codebase: the folder"),
        ('codebase = "codebase"', 'codebase = "/tmp"', "codebase"),
        ('codebase = "codebase"', 'library = "/tmp/ideas.yaml"', "library"),
        ("[budget]", "[budget", "not valid TOML"),
        ("cpus = 1", "cpus = 1\ncpus = 2", "not valid TOML"),
    ],
)
def test_a_wrong_field_is_named_in_one_line(folder: Path, old: str, new: str, field: str) -> None:
    assert f"{folder}/problem.toml: {field}" in complaint(edit(folder, old, new))


def test_a_toml_that_is_not_text_is_not_valid(folder: Path) -> None:
    (folder / "problem.toml").write_bytes(b'name = "\xff\xfe"')
    assert f"{folder}/problem.toml: not valid TOML" in complaint(folder)


def test_no_folder_and_no_toml_are_named(tmp_path: Path) -> None:
    assert str(tmp_path / "problem.toml") in complaint(tmp_path)
    assert str(tmp_path / "nowhere") in complaint(tmp_path / "nowhere")


def test_a_missing_evaluate_is_named(folder: Path) -> None:
    (folder / "evaluate.py").unlink()
    assert f"{folder}/evaluate.py: missing" in complaint(folder)


@pytest.mark.parametrize("name", ["weights.bin", "lib/weights.bin"])
def test_a_binary_file_in_the_codebase_is_named(folder: Path, name: str) -> None:
    (folder / "codebase" / name).write_bytes(b"\x80\x81\x00")
    assert f"{folder}/codebase/{name}: not UTF-8" in complaint(folder)


def test_a_large_file_in_the_codebase_is_named(folder: Path) -> None:
    (folder / "codebase/data.txt").write_text("x" * (MAX_FILE_BYTES + 1))
    assert f"{folder}/codebase/data.txt" in complaint(folder)


@pytest.mark.parametrize("target", ["train.py", "lib", "nowhere", "/etc/passwd", "/etc", "../.."])
def test_a_link_in_the_codebase_is_named(folder: Path, target: str) -> None:
    (folder / "codebase/link").symlink_to(target)
    assert f"{folder}/codebase/link" in complaint(folder)


def test_a_link_to_a_file_of_a_problem_beside_is_that_file(folder: Path) -> None:
    beside = folder.parent / "neighbour"
    (beside / "codebase").mkdir(parents=True)
    (beside / "codebase/shared.py").write_text("answer = 42\n")
    (beside / "key").write_text("secret\n")
    (folder / "codebase/shared.py").symlink_to("../../neighbour/codebase/shared.py")
    assert load_problem(folder).codebase["shared.py"] == "answer = 42\n"
    for other in ("neighbour", "neighbour/codebase", "neighbour/key"):
        link = folder / "codebase/other"
        link.symlink_to(f"../../{other}")
        assert str(link) in complaint(folder)
        link.unlink()


def test_compiled_files_are_no_part_of_the_codebase(folder: Path) -> None:
    (folder / "codebase/__pycache__").mkdir()
    (folder / "codebase/__pycache__/train.pyc").write_bytes(b"\x80\x81")
    assert set(load_problem(folder).codebase) == {"train.py", "lib/net.py", "serve.py"}


def test_variants_share_a_folder_and_may_share_the_codebase_of_a_neighbour(folder: Path) -> None:
    (folder / "problem-tiny.toml").write_text(TOML.replace("n_layer = 4", "n_layer = 1"))
    assert (
        load_problem(folder / "problem-tiny.toml")
        .codebase["train.py"]
        .startswith("n_layer: int = 1 ")
    )
    variant = folder.parent / "variant"
    variant.mkdir()
    for name in ("evaluate.py", "prepare.py", "problem.toml"):
        shutil.copy(folder / name, variant)
    edit(variant, 'codebase = "codebase"', 'codebase = "../sample/codebase"')
    assert load_problem(variant).codebase == load_problem(folder).codebase


@pytest.mark.parametrize(
    ("overrides", "field"),
    [
        ({"budget.seconds": -1}, "budget.seconds: "),
        ({"budget.second": 1}, "budget.second: unknown key"),
        ({"name.first": "a"}, "override name.first: name is not a section"),
        ({1: 2}, "a field of problem.toml is named by a text (got 1)"),
        ({"budget": {1: 2}}, "budget: a key must be a text (got 1)"),
        ({"hyperparameters.n_layers": 2}, "hyperparameters: "),
        ({"": 1}, ""),
    ],
)
def test_a_wrong_override_is_named(folder: Path, overrides: dict, field: str) -> None:
    assert field in complaint(folder, overrides)


def test_overrides_replace_single_fields_and_make_another_problem(folder: Path) -> None:
    problem, other = load_problem(folder), load_problem(folder, {"budget.seconds": 8})
    assert (other.file.budget.seconds, other.file.budget.kind) == (8, "cpu")
    assert other.version != problem.version
    assert load_problem(folder, {"budget.seconds": 20}).version == problem.version
    smaller = load_problem(folder, {"hyperparameters.n_layer": 2})
    assert smaller.codebase["train.py"].startswith("n_layer: int = 2")
    assert smaller.version != problem.version


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("evaluate.py", "1.0", "2.0"),
        ("codebase/serve.py", "42", "43"),
        ("prepare.py", "'1'", "'2'"),
        ("problem.toml", "\nseconds = 20.0", "\nseconds = 21.0"),
        ("problem.toml", 'kind = "cpu"', 'kind = "wall"'),
        ("problem.toml", 'rule = "inverse"', 'rule = "negative"'),
        ("problem.toml", '"train.py", "lib/*.py"', '"train.py"'),
        ("problem.toml", "n_layer = 4", "n_layer = 5"),
    ],
)
def test_the_version_changes_with_what_determines_a_result(
    folder: Path, name: str, old: str, new: str
) -> None:
    before = load_problem(folder).version
    assert load_problem(edit(folder, old, new, name)).version != before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('title = "One line"', 'title = "Another"'),
        ('task = "Make it better."', 'task = "Make it much better."'),
        ("[budget]", "# a remark\n[budget]"),
    ],
)
def test_the_version_does_not_change_with_words(folder: Path, old: str, new: str) -> None:
    before = load_problem(folder).version
    assert load_problem(edit(folder, old, new)).version == before


def test_the_version_is_the_same_wherever_the_folder_lies(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "elsewhere")
    assert load_problem(tmp_path / "elsewhere").version == load_problem(folder).version


def test_a_content_is_its_files_and_its_seed_and_not_what_is_frozen(folder: Path) -> None:
    problem = load_problem(folder)
    files = dict(problem.codebase)
    name = problem.content_hash(files, 0)
    assert problem.content_hash(dict(reversed(files.items())), 0) == name
    assert problem.content_hash({**files, "serve.py": "answer = 0"}, 0) == name
    assert problem.content_hash(files, 1) != name
    assert problem.content_hash({**files, "train.py": "rate = 2.0\n"}, 0) != name
    assert problem.content_hash({**files, "lib/new.py": ""}, 0) != name
    assert load_problem(folder, {"budget.seconds": 8}).content_hash(files, 0) != name


@pytest.mark.parametrize("pattern", ["serve.py", "*.py", "lib", "lib/", "lib/*", "**/*.py"])
def test_frozen_means_the_same_to_an_edit_and_to_what_is_laid_over(
    folder: Path, pattern: str
) -> None:
    problem = load_problem(folder, {"files.frozen": [pattern]})
    refused = set()
    for name, text in problem.codebase.items():
        edits = f"{name}\n<<<<<<< SEARCH\n{text}=======\nx = 1\n>>>>>>> REPLACE\n"
        try:
            apply_edits(problem.codebase, edits, editable=["**"], frozen=[pattern])
        except ForbiddenEdit:
            refused.add(name)
    assert refused == set(problem.frozen_files) != set()


@pytest.mark.parametrize(
    ("rule", "value", "reward"),
    [
        *(("identity", 0.9, 0.9), ("identity", -2.0, -2.0), ("identity", 0.0, 0.0)),
        *(("negative", 3.0, -3.0), ("negative", 0.0, 0.0), ("inverse", 4.0, 0.25)),
    ],
)
def test_rewards_follow_their_rule(folder: Path, rule: str, value: float, reward: float) -> None:
    assert load_problem(folder, {"reward.rule": rule}).reward({"loss": value}) == reward


def test_a_reward_may_ask_for_metrics_that_are_low(folder: Path) -> None:
    asks = {"reward.metric": "charged_s", "reward.rule": "inverse", "reward.at_most.loss": 3.28}
    problem = load_problem(folder, {**asks, "reward.failure": -1.0})
    assert problem.file.reward.in_words() == "1 / charged_s where loss is at most 3.28"
    near, far = {"loss": 3.28, "charged_s": 50.0}, {"loss": 3.281, "charged_s": 10.0}
    assert (problem.reward(near), problem.shortfall(near)) == (0.02, "")
    assert problem.reward(far) == -1.0
    assert problem.shortfall(far) == "loss 3.2810: a reward asks for at most 3.28"
    with pytest.raises(ValueError, match="no metric 'loss'"):
        problem.reward({"charged_s": 10.0})


@pytest.mark.parametrize(
    "metrics",
    [{}, {"accuracy": 1.0}, *({"loss": x} for x in (0.0, -1.0, math.nan, math.inf, 5e-324))],
)
def test_a_metric_that_gives_no_finite_reward_is_refused(folder: Path, metrics: dict) -> None:
    with pytest.raises(ValueError, match="loss"):
        load_problem(folder).reward(metrics)


def test_a_reward_that_is_too_good_to_be_true_is_none(tmp_path: Path) -> None:
    problem = load_problem(make_problem(tmp_path / "tiny"), {"reward.plausible": 100})
    for value, status in ((100.0, "completed"), (100.5, "rejected")):
        trial = Trial("completed", "done", metrics={"value": value})
        outcome = outcome_of(problem, Idea("a", "text"), 0, trial, "hash")
        assert outcome.status == status
        assert outcome.reward == (value if status == "completed" else 0)
    assert outcome.detail.startswith("implausible: a reward of 100.5 is above 100")
    assert outcome.metrics == {"value": 100.5}


def test_a_final_part_that_is_too_good_to_be_true_is_none_either(tmp_path: Path) -> None:
    problem = load_problem(make_problem(tmp_path / "tiny"), {"reward.plausible": 100})
    trial = Trial("completed", "done", metrics={"value": 50.0}, final={"value": 60.0})
    outcome = outcome_of(problem, Idea("a", "text"), 0, trial, "hash")
    assert (outcome.reward, outcome.final_reward) == (50.0, 60.0)
    trial = Trial("completed", "done", metrics={"value": 50.0}, final={"value": 101.0})
    outcome = outcome_of(problem, Idea("a", "text"), 0, trial, "hash")
    assert (outcome.status, outcome.reward, outcome.final_reward) == ("rejected", 0, None)
