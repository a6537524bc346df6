"""The form of `problem.toml`, one class for each of its sections.

    >>> RewardRule(metric="loss", rule="inverse", at_most={"loss": 3.28}).in_words()
    '1 / loss where loss is at most 3.28'

`gym_envs/template/problem.toml` explains every key.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from executor.settings import AtLeast0, AtLeast1, Positive, Scalar, Settings

RelativePath = Annotated[str, Meta(pattern=r"^[^/]")]
Mark = Annotated[str, Meta(min_length=1, pattern=r"^[^\n]*$")]
Words = Annotated[tuple[str, ...], Meta(min_length=1)]


class RunCommands(Settings, frozen=True):
    """The commands of training and candidate (`python SCRIPT`, `torchrun SCRIPT` for one process a
    GPU, or any other), and the modules whose import is free to them (the
    candidate's are the training's where none are given)."""

    entry: Words
    preload: tuple[str, ...] = ()
    candidate: tuple[str, ...] = ()
    candidate_preload: tuple[str, ...] | None = None


class Files(Settings, frozen=True):
    """Patterns of paths, and by how many KiB of compressed text an idea may make the codebase grow:
    enough to write any method, too little to carry answers or weights. `regions` are the texts of
    two marks: in a file that has them, an idea may change nothing but the lines between."""

    editable: Words
    frozen: tuple[str, ...] = ()
    added_kib: AtLeast0 = 16
    regions: Annotated[tuple[Mark, ...], Meta(max_length=2)] = ()

    @property
    def marks(self) -> tuple[str, str] | None:
        """The marks of regions, where there are any."""
        return (self.regions[0], self.regions[1]) if self.regions else None

    @property
    def editable_in_words(self) -> str:
        """What may be changed, for prompts."""
        between = f" (only between the lines {' and '.join(self.regions)})" if self.regions else ""
        return ", ".join(self.editable) + between


class Resources(Settings, frozen=True):
    """What a trial may use. Memory holds for training and for the candidate, each by itself; disk
    for everything that the trial writes, which lies in memory where the sandbox bounds it."""

    cpus: AtLeast1 = 1
    gpus: AtLeast0 = 0
    memory_gb: Positive = 2.0
    disk_gb: Positive = 0.5
    processes: AtLeast1 = 256


class TrialBudget(Settings, frozen=True):
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
        """Wall seconds after which training ends even if little was charged, for example asleep."""
        return self.seconds if self.kind == "wall" else 10 * self.seconds + 10

    @property
    def longest_s(self) -> float:
        """Wall seconds of a whole trial at most, from its start to the end of its examination."""
        return self.wall_limit + self.startup_seconds + self.examine_seconds


class Data(Settings, frozen=True):
    """How data are made; `of` names the problem whose they are, where it is another one with the
    same script."""

    prepare: RelativePath | None = None
    auto: bool = True
    of: str = ""


class Imported(Settings, frozen=True):
    """Where the problem is another framework's, as `envs import` writes it (docs/importing.md).

    `program` is a file of the codebase, `evaluator` one of the folder `peer/`. With `examined` the
    evaluator runs in the examiner and reaches the program over a pipe; else both run in one box.
    `exceptions` says whether a trial counts although the program raised while it was evaluated, and
    `numbers` whether numbers beside a returned answer belong to it: a score that follows one that
    does not is none.
    `cascade` holds the thresholds between stages, and is empty where there are none; `options` are
    further arguments of the evaluator; `features` are metrics that no mean counts.
    """

    kind: Literal["openevolve", "shinka"]
    program: RelativePath
    evaluator: RelativePath
    examined: bool
    exceptions: Literal["rejected", "allowed"] = "rejected"
    numbers: Literal["claims", "answers"] = "claims"
    cascade: tuple[float, ...] = ()
    options: dict[str, Scalar] = {}
    features: tuple[str, ...] = ()


class RewardRule(Settings, frozen=True):
    """`metric` is one that the examination returns, or `charged_s`, what the training was charged;
    `at_most` are upper bounds of metrics; above one of them the reward is `failure`. `plausible` is
    a reward that no honest run exceeds in its budget: a higher one is rejected, and a person should
    check the idea."""

    metric: str
    rule: Literal["identity", "inverse", "negative"] = "identity"
    at_most: dict[str, float] = {}
    failure: float = 0.0
    plausible: float | None = None

    def in_words(self) -> str:
        """The rule in words, for prompts: `1 / charged_s where loss is at most 3.28`."""
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
    run: RunCommands
    files: Files
    budget: TrialBudget
    reward: RewardRule
    codebase: RelativePath = "codebase"
    library: RelativePath = "ideas.yaml"
    resources: Resources = Resources()
    data: Data = Data()
    hyperparameters: dict[str, Scalar] = {}
    imported: Imported | None = None

    @property
    def data_of(self) -> str:
        """The name under which the data are kept."""
        return self.data.of or self.name
