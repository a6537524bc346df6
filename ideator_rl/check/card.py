"""The card of an environment: what was measured of it on this machine, as one Markdown page.

    card = Card(problem="digits", …, rewards=(0.91, 0.90, 0.92), …)
    print(card.markdown())

Rewards are in the problem's own unit; times are wall seconds unless they say otherwise.
"""

from __future__ import annotations

import platform
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from executor.records import Status
from executor.workers.local import available_cores
from ideator_rl.analysis.gain import POWER, prediction_band, smallest_gain

CARD = "card.md"
_SEEDS = (2, 3, 5, 10)


@dataclass(frozen=True)
class Machine:
    """Where it was measured."""

    cpu: str
    cores: int
    python: str


@dataclass(frozen=True)
class IdeaRow:
    """How an idea of the library ended; `reward` is None where it did not complete."""

    id: str
    status: Status
    expected: Status
    reward: float | None


@dataclass(frozen=True)
class CheatRow:
    """How an attempt to cheat ended, how it has to end, and whether it gained nothing."""

    name: str
    expected: str
    status: Status
    reward: float
    held: bool


@dataclass(frozen=True)
class Card:
    """Everything on the page.

    `rewards`, `trial_s` (start to end), `startup_s`, `train_s` (start-up included), `examine_s` and
    `charged_s` (what counts against the budget) are those of the baseline trials that completed,
    `seeds` is how many ran. An empty `guarantees` or `cheats` leaves its section out.
    """

    problem: str
    title: str
    version: str
    machine: Machine
    slots: int
    sandbox: str
    budget_kind: str
    budget_seconds: float
    seeds: int
    rewards: Sequence[float]
    charged_s: Sequence[float]
    trial_s: Sequence[float]
    startup_s: Sequence[float]
    train_s: Sequence[float]
    examine_s: Sequence[float]
    ideas: Sequence[IdeaRow] = ()
    guarantees: Sequence[str] = ()
    cheats: Sequence[CheatRow] = ()

    @property
    def mean(self) -> float | None:
        """The baseline's mean reward; None where no trial completed."""
        return statistics.fmean(self.rewards) if self.rewards else None

    @property
    def sd(self) -> float | None:
        """The standard deviation between seeds; None for fewer than two."""
        return statistics.stdev(self.rewards) if len(self.rewards) > 1 else None

    def markdown(self) -> str:
        """The page."""
        parts = [
            f"# {self.problem}: {self.title}\n",
            f"Version `{self.version}`, measured by `ideator-rl envs check {self.problem}`.\n",
            _table(
                ("machine", ""),
                [
                    ("CPU", self.machine.cpu),
                    ("cores", str(self.machine.cores)),
                    ("trials at a time", str(self.slots)),
                    ("Python", self.machine.python),
                    ("sandbox", self.sandbox),
                ],
            ),
            "## Noise floor\n",
            *self._noise(),
            "## Budget and time\n",
            *self._time(),
        ]
        if self.guarantees:
            parts += ["## Guarantees\n", "".join(f"- {line}\n" for line in self.guarantees)]
        if self.cheats:
            header = ("cheat", "gained", "expected", "status", "reward")
            parts += ["## Cheats\n", _table(header, map(_cheat, self.cheats))]
        if self.ideas:
            header = ("idea", "status", "reward", "gain", "in s.d.")
            parts += ["## Library ideas\n", _table(header, map(self._idea, self.ideas))]
        return "\n".join(parts)

    def _noise(self) -> list[str]:
        if self.mean is None:
            return [f"None of {self.seeds} baseline trials completed.\n"]
        rows = [
            ("trials completed", f"{len(self.rewards)} of {self.seeds}"),
            ("mean reward", f"{self.mean:.5f}"),
        ]
        if (band := prediction_band(self.rewards)) is None or self.sd is None:
            return [_table(("baseline", ""), rows), "One seed has no noise: take more.\n"]
        rows.append(("standard deviation between seeds", f"{self.sd:.5f}"))
        rows.append(("95 % band of one more baseline trial", f"{band[0]:.5f} to {band[1]:.5f}"))
        gains = [(str(n), f"{smallest_gain(self.sd, n):.5f}") for n in _SEEDS]
        return [
            _table(("baseline", ""), rows),
            f"The smallest gain that a confirmation of one idea finds {POWER:.0%} of the time "
            "(95 % interval above 0, Welch's t), were this standard deviation the true one:\n",
            _table(("seeds an idea", "smallest gain"), gains),
        ]

    def _time(self) -> list[str]:
        if not self.rewards:
            return ["Not measured.\n"]
        kind, most = self.budget_kind, max(self.charged_s)
        trial, startup, train, examine, charged = map(
            statistics.fmean,
            (self.trial_s, self.startup_s, self.train_s, self.examine_s, self.charged_s),
        )
        train -= startup
        rows = [
            ("budget", f"{self.budget_seconds:g} {kind} s"),
            ("used", f"{charged:.2f} {kind} s ({_share(charged, self.budget_seconds)}), at most "
                     f"{most:.2f} {kind} s"),
            ("a trial", f"{trial:.2f} s"),
            ("start-up", f"{startup:.2f} s ({_share(startup, trial)} of the trial)"),
            ("training", f"{train:.2f} s ({_share(train, trial)} of the trial)"),
            ("examination", f"{examine:.2f} s ({_share(examine, trial)} of the trial)"),
        ]  # fmt: skip
        return [_table(("baseline, mean of its trials", ""), rows)]

    def _idea(self, row: IdeaRow) -> tuple[str, ...]:
        status = row.status.replace("_", " ")
        if row.status != row.expected:
            status += f" (expected {row.expected.replace('_', ' ')})"
        if row.reward is None or self.mean is None:
            return row.id, status, "", "", ""
        gain = row.reward - self.mean
        in_sd = f"{gain / self.sd:+.1f}" if self.sd else ""
        return row.id, status, f"{row.reward:.5f}", f"{gain:+.5f}", in_sd


def _cheat(row: CheatRow) -> tuple[str, ...]:
    gained = "nothing" if row.held else "SOMETHING"
    return row.name, gained, row.expected, row.status, f"{row.reward:.5f}"


def this_machine() -> Machine:
    """Facts that a measurement depends on; none of them names the machine."""
    return Machine(_cpu(), len(available_cores()), platform.python_version())


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _share(part: float, whole: float) -> str:
    return f"{part / whole:.0%}" if whole > 0 else "–"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(c.replace('|', '&#124;') for c in row)} |\n" for row in lines)
