"""Which earlier ideas a prompt shows: none, random ones, the best, or those that PUCT chooses.

    shown = choose(PromptsSettings("puct", shown=4), archive, visits, Random(0))
    prompt = fitted(first_prompt, shown, fits=lambda text: len(encode(text)) <= 4096)
    prompt.text, prompt.shown              # as many of them as fit, and their ids

A choice is a pure function; whoever asks keeps what was chosen, so that a resumed run asks the
same. PUCT is that of TTT-Discover (arXiv 2601.16175): an idea is worth what the best idea that came
of showing it earned, or else its own reward; and more, the better its rank and the less often it
was shown.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Literal, NamedTuple

from executor.settings import AtLeast1, Settings
from gym_envs.prompt import history_prompt
from ideator_rl.ideators.ideator import Executed


class PromptsSettings(Settings, frozen=True):
    """What a prompt holds beside the problem: nothing with the kind `fixed`, else the outcomes of
    at most `shown` earlier ideas: `random` ones, the `best`, or those that `puct` chooses."""

    kind: Literal["fixed", "random", "best", "puct"] = "fixed"
    shown: AtLeast1 = 4


class Prompt(NamedTuple):
    """A prompt, the ids of the ideas in it, and of the one whose code is to be changed; without one
    that is the baseline's."""

    text: str
    shown: tuple[str, ...] = ()
    base: str = ""

    @property
    def parents(self) -> tuple[str, ...]:
        """What an answer builds on, the base first."""
        others = (name for name in self.shown if name != self.base)
        return (self.base, *others) if self.base else self.shown


def choose(
    settings: PromptsSettings,
    archive: Sequence[Executed],
    visits: Mapping[str, int],
    rng: Random,
) -> list[Executed]:
    """The ideas that a prompt shows.

    Args:
        settings: which, and at most how many.
        archive: the executed ideas; of those with the same codebase the first one counts.
        visits: by id, how often an idea was shown before; for `puct`.
        rng: for `random`.

    Returns:
        The chosen ideas, what matters most first. Only `random` shows ideas that failed.
    """
    distinct = _distinct(archive)
    completed = [entry for entry in distinct if entry.outcome.completed]
    match settings.kind:
        case "fixed":
            return []
        case "random":
            return rng.sample(distinct, min(settings.shown, len(distinct)))
        case "best":
            return _ranked(completed)[: settings.shown]
        case "puct":
            scores = puct_scores(completed, visits, archive)
            completed.sort(key=lambda entry: -scores[entry.idea.id])
            return completed[: settings.shown]


def puct_scores(
    completed: Sequence[Executed], visits: Mapping[str, int], archive: Sequence[Executed]
) -> dict[str, float]:
    """Q + scale · P · √(1 + T) / (1 + n) of each idea, by id.

    Q is the best reward of its children, or its own where it has none; the scale is the range of
    the rewards; P falls linearly with the rank and sums to 1; n is how often it was shown and T the
    sum of these. Children are ideas of the archive that have it as a parent.
    """
    children: dict[str, float] = {}
    for entry in archive:
        if entry.outcome.completed:
            for parent in entry.idea.parents:
                children[parent] = max(entry.outcome.reward, children.get(parent, -math.inf))
    rewards = [entry.outcome.reward for entry in completed]
    scale, total = max(rewards, default=0.0) - min(rewards, default=0.0), sum(visits.values())
    n = len(completed)
    scores = {}
    for rank, entry in enumerate(_ranked(completed)):
        name = entry.idea.id
        prior = (n - rank) / (n * (n + 1) / 2)
        bonus = scale * prior * math.sqrt(1 + total) / (1 + visits.get(name, 0))
        scores[name] = children.get(name, entry.outcome.reward) + bonus
    return scores


def fitted(
    first: str,
    chosen: Sequence[Executed],
    fits: Callable[[str], bool],
    without_marks: Callable[[str], str] = str,
    base: Executed | None = None,
) -> Prompt:
    """The first prompt with as many of the chosen ideas as fit, oldest first.

    Args:
        first: the prompt that shows none; where there is a `base`, with its code.
        chosen: what matters most first; those that matter least are left out.
        fits: whether a prompt is short enough.
        without_marks: breaks a model's special tokens in their texts.
        base: one of the chosen ideas, whose code is to be changed.
    """
    ranked = sorted(chosen, key=lambda entry: entry is not base)
    built_on = base.idea.id if base else ""
    for count in range(len(ranked), 0, -1):
        shown = sorted(ranked[:count], key=lambda entry: (entry.idea.epoch, entry.idea.id))
        told = without_marks(history_prompt((e.idea.text, e.outcome) for e in shown))
        wish = "Write one idea that earns more than these."
        if base:
            wish = (
                f"The code to change is that of idea {1 + shown.index(base)}. Write one idea that "
                "improves on it: an edit of this code."
            )
        text = f"{first}\n\n## Tried so far\n{told}\n\n{wish}"
        if fits(text):
            return Prompt(text, tuple(entry.idea.id for entry in shown), built_on)
    return Prompt(first, base=built_on)


def _distinct(archive: Sequence[Executed]) -> list[Executed]:
    first: dict[str, Executed] = {}
    for entry in sorted(archive, key=lambda entry: (entry.idea.epoch, entry.idea.id)):
        first.setdefault(entry.outcome.content_hash or entry.idea.text, entry)
    return list(first.values())


def _ranked(completed: Sequence[Executed]) -> list[Executed]:
    """The best first, of equal ones the oldest."""
    return sorted(completed, key=lambda entry: -entry.outcome.reward)
