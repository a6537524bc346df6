"""The records that travel between the parts: frozen and JSON-serialisable.

    >>> idea = Idea(id="00-003", text="[Experiment] … [Code Changes] …")
    >>> Idea.from_json(idea.to_json()) == idea
    True

Glossary, in the order of an idea's way:

- idea: a research idea in natural language.
- codebase: a problem's source files, path to text. The *baseline* is the unpatched codebase, and
  the outcome of running it.
- implementation: the codebase that an implementer made of an idea, or why there is none.
- codebase hash (`content_hash`): names a result. It covers the codebase, the version of the
  problem, the seed, and whether the final part of the held-out data was examined.
- job: a codebase to run once with one seed.
- slot: a place for one trial at a time.
- trial: one execution of a job: training, then examination. Also the record of what it measured.
- candidate: what training leaves in the folder `candidate/`, usually a model; and the process that
  answers the examiner's questions with it.
- examination: the questions to the candidate, and the metrics computed from its answers.
- held-out data: the data of the examination. Neither training nor candidate can read them.
- final part: held-out data that no search examines; only a confirmation does.
- outcome: how an idea ended: its status, metrics and reward.
- reward: the number to learn from, computed from the metrics; higher is better. What is not
  `completed` earns the problem's *failure reward*.

Statuses of an outcome:

- `completed`: training ended within its budget, and the examination returned metrics.
- `not_implemented`: no codebase came of the idea: it has no edits, or they do not apply.
- `crashed`: training or candidate failed, or used more memory, disk or processes than allowed.
- `timeout`: training or candidate used more time than allowed.
- `rejected`: a rule was broken: an edit of a frozen file, too much added text, a forbidden file in
  `candidate/`, an invalid answer, a metric that gives no reward, an implausible reward.
- `cancelled`: not executed, since the budget or the executor ended. It is never stored.

The stage says how far an idea came: `implement`, `train`, `examine` or `done`.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal, Self, get_args

Status = Literal["completed", "not_implemented", "crashed", "timeout", "rejected", "cancelled"]
Stage = Literal["implement", "train", "examine", "done"]

STATUSES: tuple[Status, ...] = get_args(Status)


class Record:
    """Shared by the frozen dataclasses below: a JSON text and back, unknown keys ignored."""

    def to_json(self) -> str:
        """Writes the record.

        Returns:
            One line of ASCII, so that a lone surrogate in an idea survives, too. A record's own
            fields come before those of its base.
        """
        return json.dumps(_values(self), default=_values)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Reads what `to_json` wrote.

        Args:
            text: a JSON object; keys that the record does not have are ignored.

        Returns:
            The record.

        Raises:
            ValueError: the text is not the JSON object of such a record.
        """
        data = json.loads(text)
        if not isinstance(data, dict):
            raise ValueError(f"not a {cls.__name__}: {text!r:.60}")
        names = _names(cls)  # type: ignore[arg-type]
        try:
            return cls(**{name: data[name] for name in names if name in data})
        except TypeError as error:
            raise ValueError(f"not a {cls.__name__}: {error}") from None


# A class is hashable, which mypy does not see where it calls what is cached.
@cache
def _names(kind: type[Record]) -> tuple[str, ...]:
    """The fields of a record, its own before those of its base."""
    names = [f.name for f in dataclasses.fields(kind)]  # type: ignore[arg-type]
    own = [name for name in kind.__annotations__ if name in names]
    return tuple(dict.fromkeys(own + names))


def _values(record: object) -> dict[str, Any]:
    """A record's fields by name, for JSON. Raises TypeError for anything else."""
    if not isinstance(record, Record):
        raise TypeError(f"a {type(record).__name__} has no place in JSON")
    return {name: getattr(record, name) for name in _names(type(record))}  # type: ignore[arg-type]


@dataclass(frozen=True)
class Idea(Record):
    """A research idea in natural language, in the form `[Experiment] … [Code Changes] …`.

    Args:
        id: up to 128 letters, digits, `.`, `-` and `_`, unique in a run.
        text: any Unicode; untrusted.
        epoch: the epoch of the search that proposed it.
        origin: how it was proposed: `sample`, `exploit`, `explore`, `baseline`, ….
        parents: the ids of the ideas that it builds on.
        meta: JSON values of the ideator's.
        base: the id of the idea of this run whose codebase its edits are of; empty for the
            baseline's.
        group: what the search method calls the part of the search that asked for it.
    """

    id: str
    text: str
    epoch: int = 0
    origin: str = ""
    parents: tuple[str, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)
    base: str = ""
    group: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "parents", tuple(self.parents))


@dataclass(frozen=True)
class Turn(Record):
    """One request to a language model on an idea's way to code, and its answer.

    `sample` tells chains of turns apart. `asked` is the newest message; the text before it is the
    same for all ideas of a problem, or stands in the chain's earlier turns. `problem` says why the
    answer was not taken; without a reply the fields between stay empty. `usage` is in tokens by
    kind, `cost` in US dollars.
    """

    sample: int
    purpose: str
    asked: str
    answer: str = ""
    thinking: str = ""
    stop: str = ""
    model: str = ""
    usage: Mapping[str, int] = field(default_factory=dict)
    cost: float = 0.0
    seconds: float = 0.0
    problem: str = ""


@dataclass(frozen=True)
class Implementation(Record):
    """What an implementer made of an idea: the patched files, or the reason why there are none.

    `files` maps relative paths to texts. `status` is `completed` when the edits applied,
    `not_implemented` when they could not, `rejected` when they touch what is frozen. `diff` is the
    change of the baseline, `base_diff` that of the idea's base where it has one. `exchange` is what
    was said to and by a language model, in the order of the answers.
    """

    status: Literal["completed", "not_implemented", "rejected"]
    files: Mapping[str, str] = field(default_factory=dict)
    diff: str = ""
    detail: str = ""
    exchange: tuple[Turn, ...] = ()
    base_diff: str = ""

    def __post_init__(self) -> None:
        turns = (t if isinstance(t, Turn) else Turn(**t) for t in self.exchange)
        object.__setattr__(self, "exchange", tuple(turns))


@dataclass(frozen=True)
class Job(Record):
    """A codebase to be run once with one seed. Higher `priority` runs first, then the oldest.

    `final` asks for the final part of the held-out data, too; `submitted_at` is a Unix time.
    """

    idea_id: str
    content_hash: str
    seed: int = 0
    priority: int = 0
    cpus: int = 1
    gpus: int = 0
    submitted_at: float = 0.0
    final: bool = False


@dataclass(frozen=True, kw_only=True)
class Measured(Record):
    """What a worker measured of a job: shared by `Trial` and `Outcome`.

    Args:
        metrics: what the examination returned, by name.
        final: the same on the final part of the held-out data, where that was examined.
        charged_s: seconds that counted against the budget.
        startup_s: wall time in seconds until the budget's clock started.
        train_s: wall time of training in seconds.
        examine_s: wall time of the examination in seconds.
        cpu_s: processor time of training and candidate in seconds.
        memory_mib: the most memory in use at once, in MiB.
        disk_mib: the most disk in use at once, in MiB.
        sandbox: how the code was locked in.
        frozen: the files laid over the codebase, path to SHA-256.
    """

    metrics: Mapping[str, float] = field(default_factory=dict)
    final: Mapping[str, float] = field(default_factory=dict)
    charged_s: float = 0.0
    startup_s: float = 0.0
    train_s: float = 0.0
    examine_s: float = 0.0
    cpu_s: float = 0.0
    memory_mib: float = 0.0
    disk_mib: float = 0.0
    sandbox: str = ""
    frozen: Mapping[str, str] = field(default_factory=dict)

    def measurements(self) -> dict[str, Any]:
        """These fields by name, numbers rounded to four digits."""
        values = {name: getattr(self, name) for name in _names(Measured)}
        return {k: round(v, 4) if isinstance(v, float) else v for k, v in values.items()}


@dataclass(frozen=True)
class Trial(Measured):
    """How a job ended on a worker, and what was measured; the reward is not the worker's business.

    Args:
        status: how it ended.
        stage: where it ended.
        detail: the reason of the status, as it came; untrusted.
        log: the end of what training printed, and the candidate before its first question.
        exam_log: what came later; it can quote held-out data and is for people only.
        started: on the worker machine's monotonic clock in seconds; 0, as `ended`, where no worker
            saw the end: then nothing was learnt about the codebase.
        ended: on the same clock.
    """

    status: Status
    stage: Stage
    detail: str = ""
    log: str = ""
    exam_log: str = ""
    started: float = 0.0
    ended: float = 0.0


@dataclass(frozen=True)
class Outcome(Measured):
    """How an idea ended, with what was measured of its trial.

    Args:
        idea_id: the idea's id.
        status: how it ended; the statuses are explained at the top of this module.
        reward: the number to learn from; higher is better, always.
        stage: where it ended.
        final_reward: the reward of `final`.
        seed: the seed of the trial.
        duration_s: wall time of the trial in seconds.
        detail: the reason of the status, in one line; cleaned.
        content_hash: the codebase hash.
        cached: an identical codebase had already run with this seed.
        repaired: the idea's first codebase crashed, and this is its second.
        submitted_at: Unix time in seconds.
        finished_at: Unix time in seconds.
    """

    idea_id: str
    status: Status
    reward: float
    stage: Stage = "done"
    final_reward: float | None = None
    seed: int = 0
    duration_s: float = 0.0
    detail: str = ""
    content_hash: str = ""
    cached: bool = False
    repaired: bool = False
    submitted_at: float = 0.0
    finished_at: float = 0.0

    @property
    def completed(self) -> bool:
        """Whether it has metrics, and a reward that was measured."""
        return self.status == "completed"
