"""A research problem: a folder with `problem.toml`, a baseline codebase and an examination.

    problem = load_problem("gym_envs/digits")
    problem.codebase                     # {"train.py": "...", ...}, hyperparameters written in
    problem.reward({"accuracy": 0.93})   # 0.93
    train, held_out = problem.data()     # prepared at first use

`problem.toml` says how to run the codebase, what may be edited, the budget, where the data come
from and how a metric becomes the reward; `gym_envs/template/problem.toml` explains every key.
"""

from __future__ import annotations

import hashlib
import json
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from executor.data import PreparedData, prepared_data
from executor.edits import EditError, set_assignments
from executor.edits.paths import is_editable, is_frozen
from executor.errors import ProblemError
from executor.typed import (
    AtLeast0,
    AtLeast1,
    FieldError,
    Positive,
    Scalar,
    Settings,
    convert,
    to_dict,
)

MAX_FILE_BYTES = 1_000_000
# Keys that change no result.
_BESIDE_THE_POINT = ("title", "task", "library")


RelativePath = Annotated[str, Meta(pattern=r"^[^/]")]
Words = Annotated[tuple[str, ...], Meta(min_length=1)]


class Run(Settings, frozen=True):
    """The commands of training and candidate (`python SCRIPT`, `torchrun SCRIPT` for one process a
    GPU, or any other), and the modules whose import is free to them (the
    candidate's are the training's where none are given)."""

    entry: Words
    preload: tuple[str, ...] = ()
    candidate: tuple[str, ...] = ()
    candidate_preload: tuple[str, ...] | None = None


class Files(Settings, frozen=True):
    editable: Words
    frozen: tuple[str, ...] = ()


class Resources(Settings, frozen=True):
    """What a trial may use. Memory holds for training and for the candidate, each by itself; disk
    for everything that the trial writes, which lies in memory where the sandbox bounds it."""

    cpus: AtLeast1 = 1
    gpus: AtLeast0 = 0
    memory_gb: Positive = 2.0
    disk_gb: Positive = 0.5
    processes: AtLeast1 = 256


class Budget(Settings, frozen=True):
    """Seconds of `kind`; the others are never charged. `startup_seconds` and `examine_seconds` are
    wall time, `candidate_seconds` is CPU time of the candidate, imports apart: enough to answer and
    too little to go on with the training (by default only `examine_seconds` bounds it)."""

    kind: Literal["wall", "cpu"]
    seconds: Positive
    startup_seconds: Positive = 60.0
    examine_seconds: Positive = 60.0
    candidate_seconds: Positive | None = None

    @property
    def wall_limit(self) -> float:
        """Wall seconds after which training ends whatever it was charged: nobody may sleep on."""
        return self.seconds if self.kind == "wall" else 10 * self.seconds + 10


class Data(Settings, frozen=True):
    """How data are made; `of` names the problem whose they are, where it is another one with the
    same script."""

    prepare: RelativePath | None = None
    auto: bool = True
    of: str = ""


class RewardRule(Settings, frozen=True):
    """`metric` is one that the examination returns, or `charged_s`, what the training was charged;
    `at_most` are metrics that have to be so low for any reward but `failure`."""

    metric: str
    rule: Literal["identity", "inverse", "negative"] = "identity"
    at_most: dict[str, float] = {}
    failure: float = 0.0

    def in_words(self) -> str:
        """As it stands in prompts: `1 / charged_s where loss is at most 3.28`."""
        forms = {"identity": "the {}", "inverse": "1 / {}", "negative": "minus the {}"}
        words = forms[self.rule].format(self.metric)
        limits = " and ".join(f"{name} is at most {most:g}" for name, most in self.at_most.items())
        return f"{words} where {limits}" if limits else words


class ProblemFile(Settings, frozen=True):
    """`problem.toml`, as it stands on disk."""

    name: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
    id: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]+-v[0-9]+$")]
    title: str
    task: Annotated[str, Meta(min_length=1)]
    run: Run
    files: Files
    budget: Budget
    reward: RewardRule
    codebase: RelativePath = "codebase"
    library: RelativePath = "ideas.yaml"
    resources: Resources = Resources()
    data: Data = Data()
    hyperparameters: dict[str, Scalar] = {}

    @property
    def data_of(self) -> str:
        """The name under which the data are kept."""
        return self.data.of or self.name


@dataclass(frozen=True)
class Problem:
    """A problem as the executor uses it. Equal versions mean: results may be shared."""

    path: Path  # problem.toml
    file: ProblemFile
    codebase: Mapping[str, str]
    evaluate: Path

    @property
    def name(self) -> str:
        return self.file.name

    @property
    def folder(self) -> Path:
        return self.path.parent

    @property
    def library(self) -> Path:
        """The problem's own library of ideas; the file need not exist."""
        return self.folder / self.file.library

    def is_frozen(self, path: str) -> bool:
        return is_frozen(path, self.file.files.frozen)

    @property
    def frozen_files(self) -> dict[str, str]:
        """What is laid over a patched tree right before it runs."""
        return {path: text for path, text in self.codebase.items() if self.is_frozen(path)}

    def reward(self, metrics: Mapping[str, float]) -> float:
        """The reward of a completed trial. Raises ValueError where the metric does not give one."""
        rule = self.file.reward
        for metric in (rule.metric, *rule.at_most):
            if metric not in metrics:
                raise ValueError(f"the examination returned no metric {metric!r}")
        value = metrics[rule.metric]
        inverse = 1 / value if value > 0 else math.nan
        reward = {"identity": value, "negative": -value, "inverse": inverse}[rule.rule]
        if not math.isfinite(value) or not math.isfinite(reward):
            raise ValueError(f"the metric {rule.metric} is {value}, which gives no reward")
        return rule.failure if self.shortfall(metrics) else reward

    def shortfall(self, metrics: Mapping[str, float]) -> str:
        """Which metric is too high for a reward, in one line; empty where none is."""
        for metric, limit in self.file.reward.at_most.items():
            if not metrics[metric] <= limit:
                return f"{metric} {metrics[metric]:.4f}: a reward asks for at most {limit:g}"
        return ""

    def data(self) -> PreparedData:
        """The prepared data, made now if they are missing and `data.auto` allows it."""
        return prepared_data(
            self.file.data_of,
            self.folder / self.file.data.prepare if self.file.data.prepare else None,
            auto=self.file.data.auto,
        )

    @cached_property
    def version(self) -> str:
        """A hash of everything besides the idea and the seed that determines a result."""
        parts = {
            "rules": {k: v for k, v in to_dict(self.file).items() if k not in _BESIDE_THE_POINT},
            "baseline": dict(self.codebase),
            "evaluate": self.evaluate.read_text(),
            "data": self.data().fingerprint,
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]

    def content_hash(self, files: Mapping[str, str], seed: int) -> str:
        """The name of a result: this codebase, this version of the problem, this seed."""
        tree = {path: text for path, text in files.items() if not self.is_frozen(path)}
        text = json.dumps([tree, self.version, seed], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]


def load_problem(path: str | Path, overrides: Mapping[str, object] | None = None) -> Problem:
    """Reads a problem from its folder, or from one of several toml files in a folder.

    `overrides` replaces single fields by dotted name (`{"budget.seconds": 8}`): it is another
    problem then, with its own results. Raises ProblemError naming the field and the fix.
    """
    path = Path(path).resolve()
    path = path / "problem.toml" if path.is_dir() else path
    if not path.is_file():
        raise ProblemError(f"{path}: no such file; a problem is a folder with a problem.toml")
    try:
        raw = tomllib.loads(path.read_text())
        for name, value in (overrides or {}).items():
            _set_field(raw, name, value)
        file = convert(raw, ProblemFile)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProblemError(f"{path}: not valid TOML: {error}") from None
    except FieldError as error:
        raise ProblemError(f"{path}: {error}") from None
    for key in ("entry", "candidate"):
        if (words := getattr(file.run, key)) in (("python",), ("torchrun",)):
            raise ProblemError(f"{path}: run.{key}: {words[0]} needs the name of a script")

    folder = path.parent
    evaluate = folder / "evaluate.py"
    if not evaluate.is_file():
        raise ProblemError(f"{evaluate}: missing; write examine(candidate, held_out) there")
    if file.data.prepare and not (folder / file.data.prepare).is_file():
        raise ProblemError(f"{path}: data.prepare: {file.data.prepare} is not beside it")
    codebase = _read_codebase(path, folder / file.codebase, file.files)
    try:
        codebase = set_assignments(codebase, file.hyperparameters, editable=file.files.editable)
    except EditError as error:
        raise ProblemError(f"{path}: hyperparameters: {error}") from None
    return Problem(path, file, codebase, evaluate)


def _set_field(raw: dict, dotted: str, value: object) -> None:
    *sections, key = dotted.split(".")
    for section in sections:
        raw = raw.setdefault(section, {})
        if not isinstance(raw, dict):
            raise ProblemError(f"override {dotted}: {section} is not a section of problem.toml")
    raw[key] = value


def _read_codebase(toml: Path, folder: Path, files: Files) -> dict[str, str]:
    if not folder.is_dir():
        raise ProblemError(f"{toml}: codebase: the folder {folder} does not exist")
    codebase = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if "__pycache__" in path.parts or (path.is_dir() and not path.is_symlink()):
            continue
        if path.is_symlink() or path.stat().st_size > MAX_FILE_BYTES:
            raise ProblemError(f"{path}: a codebase holds no links and no file over 1 MB")
        try:
            codebase[name] = path.read_bytes().decode()
        except UnicodeDecodeError:
            raise ProblemError(
                f"{path}: not UTF-8 text; a codebase holds source code only"
            ) from None
    for key, patterns, matches in (
        ("editable", files.editable, is_editable),
        ("frozen", files.frozen, is_frozen),
    ):
        for pattern in patterns:
            if not any(matches(name, [pattern]) for name in codebase):
                raise ProblemError(f"{toml}: files.{key}: {pattern!r} matches nothing in {folder}")
    return codebase
