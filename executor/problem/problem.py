"""A research problem: a folder with `problem.toml`, a baseline codebase and an examination.

    >>> problem = load_problem("gym_envs/digits")
    >>> sorted(problem.codebase)                # path to text, hyperparameters written in
    ['model.py', 'serve.py', 'train.py']
    >>> problem.reward({"accuracy": 0.93})
    0.93

`problem.data()` has the folders of the prepared data. `problem.toml` says how to run the codebase,
what may be edited, the budget, where the data come from and how a metric becomes the reward;
`gym_envs/template/problem.toml` explains every key.
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

from executor import edits
from executor.data.prepared import PreparedData, prepared_data
from executor.data.script import modules_below
from executor.edits.errors import EditError
from executor.edits.paths import is_editable, is_frozen
from executor.edits.regions import frozen_lines, mistake_in_marks
from executor.errors import ProblemError
from executor.problem.problem_file import Files, ProblemFile
from executor.settings import FieldError, convert, to_dict

MAX_FILE_BYTES = 1_000_000
# Keys that do not affect results.
_BESIDE_THE_POINT = ("title", "task", "library")
# The first word of the reason for a rejected reward that a person should check.
IMPLAUSIBLE = "implausible"


@dataclass(frozen=True)
class Problem:
    """A problem as the executor uses it, made by `load_problem`. Results may be shared between
    problems of the same `version`.

    Attributes:
        path: the file `problem.toml`.
        file: its content.
        codebase: the baseline, path to text, hyperparameters written in.
        evaluate: the file `evaluate.py`.
    """

    path: Path  # problem.toml
    file: ProblemFile
    codebase: Mapping[str, str]
    evaluate: Path

    @property
    def name(self) -> str:
        """The name that recipes use."""
        return self.file.name

    @property
    def folder(self) -> Path:
        """Where its files lie."""
        return self.path.parent

    @property
    def library(self) -> Path:
        """The problem's own library of ideas; the file need not exist."""
        return self.folder / self.file.library

    def is_frozen(self, path: str) -> bool:
        """Whether ideas may not change a file of the codebase."""
        return is_frozen(path, self.file.files.frozen)

    @property
    def frozen_files(self) -> dict[str, str]:
        """The files that are written over a patched codebase right before it runs."""
        return {path: text for path, text in self.codebase.items() if self.is_frozen(path)}

    def reward(self, metrics: Mapping[str, float]) -> float:
        """Computes the reward of a completed trial.

        Args:
            metrics: what the examination returned, by name.

        Returns:
            The reward, higher is better. Where a metric of `at_most` is too high, it is the failure
            reward.

        Raises:
            ValueError: a metric is missing, or gives no finite reward.
        """
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
        """Tells which metric is too high for a reward.

        Args:
            metrics: those of `at_most`, by name.

        Returns:
            One line; empty where none is.
        """
        for metric, limit in self.file.reward.at_most.items():
            if not metrics[metric] <= limit:
                return f"{metric} {metrics[metric]:.4f}: a reward asks for at most {limit:g}"
        return ""

    def implausible(self, reward: float) -> str:
        """Tells why a reward is too good to be true.

        Args:
            reward: the reward of a completed trial.

        Returns:
            One line; empty where it may be true.
        """
        most = self.file.reward.plausible
        if most is None or reward <= most:
            return ""
        return (
            f"{IMPLAUSIBLE}: a reward of {reward:.4g} is above {most:g}, which no honest run is "
            "known to reach in this budget; a person should read the code"
        )

    def data(self) -> PreparedData:
        """The prepared data, made now if they are missing and `data.auto` allows it.

        Returns:
            Their folders.

        Raises:
            ProblemError: they are missing, or cannot be prepared.
        """
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
            "modules": self._modules(),
            "data": self.data().fingerprint,
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]

    def _modules(self) -> dict[str, str]:
        """The hash of each module that the examination can import from beside it."""
        return {
            path.relative_to(self.folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in modules_below(self.folder, self.folder / self.file.codebase)
        }

    def content_hash(self, files: Mapping[str, str], seed: int, *, final: bool = False) -> str:
        """Names a result.

        Args:
            files: a patched codebase, path to text.
            seed: the seed of the trial.
            final: whether the final part of the held-out data is examined, too.

        Returns:
            A hash of these and of the problem's version; what is frozen in `files` does not count.

        Raises:
            ProblemError: the data, on which the version depends, are missing.
        """
        tree = {path: text for path, text in files.items() if not self.is_frozen(path)}
        parts = [tree, self.version, seed, *(["final"] if final else [])]
        text = json.dumps(parts, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]


def load_problem(path: str | Path, overrides: Mapping[str, object] | None = None) -> Problem:
    """Reads a problem from its folder, or from one of several toml files in a folder.

    Args:
        path: a folder with `problem.toml`, or a toml file of the same form.
        overrides: single fields by dotted name (`{"budget.seconds": 8}`): that makes it another
            problem, with its own results.

    Returns:
        The problem; its data are not prepared yet.

    Raises:
        ProblemError: names the field and the fix.
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
    if len(file.files.regions) == 1:
        raise ProblemError(f"{path}: files.regions: expected two marks, or none")
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
        if file.hyperparameters:
            editable = file.files.editable
            codebase = edits.set_assignments(codebase, file.hyperparameters, editable=editable)
    except EditError as error:
        raise ProblemError(f"{path}: hyperparameters: {error}") from None
    if marks := file.files.marks:
        _check_regions(path, codebase, marks)
    return Problem(path, file, codebase, evaluate)


def _check_regions(toml: Path, codebase: Mapping[str, str], marks: tuple[str, str]) -> None:
    for name, text in codebase.items():
        if wrong := mistake_in_marks(text, marks):
            raise ProblemError(f"{toml.parent}: {name} {wrong}")
    if all(frozen_lines(text, marks) is None for text in codebase.values()):
        raise ProblemError(f"{toml}: files.regions: no file has a line with {marks[0]}")


def _set_field(raw: dict, dotted: object, value: object) -> None:
    if not isinstance(dotted, str):
        raise ProblemError(f"a field of problem.toml is named by a text (got {dotted!r:.80})")
    *sections, key = dotted.split(".")
    for section in sections:
        raw = raw.setdefault(section, {})
        if not isinstance(raw, dict):
            raise ProblemError(f"override {dotted}: {section} is not a section of problem.toml")
    raw[key] = value


def _is_shared(link: Path, codebase: Path, problems: Path) -> bool:
    """Whether a link leads to a file of another codebase; any other file is nobody's to show."""
    target, problems = link.resolve(), problems.resolve()
    if not target.is_file() or not target.is_relative_to(problems):
        return False
    in_codebase = target.relative_to(problems).parts[1:2] == (codebase.name,)
    return in_codebase and not target.is_relative_to(codebase.resolve())


def _read_codebase(toml: Path, folder: Path, files: Files) -> dict[str, str]:
    if not folder.is_dir():
        raise ProblemError(f"{toml}: codebase: the folder {folder} does not exist")
    codebase = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if "__pycache__" in path.parts or (path.is_dir() and not path.is_symlink()):
            continue
        if path.is_symlink() and not _is_shared(path, folder, toml.parent.parent):
            raise ProblemError(
                f"{path}: a link may only lead into the codebase of a problem beside this one"
            )
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ProblemError(f"{path}: a codebase holds no file over 1 MB")
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
