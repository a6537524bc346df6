"""What a warm start teaches: answers of the form `<think>…</think>[Experiment] … [Code Changes] …`.

    sources = Sources(load_library(problem.library), (), DataSettings())
    make_answer(sources, seed=0, index=17)
    # <think>Considered dropout, gelu. Chosen: adam 5.</think>[Experiment] Replace SGD by …

Answers are made on demand: the seed and the index determine one, independent of other answers. They
come from a problem's library of ideas, and from the best ideas of earlier searches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

from executor.records import Idea
from executor.settings import AtLeast0, Scalar, Settings, Share
from ideator_rl.ideators.language_model.chat import PromptStyle, write_answer
from ideator_rl.ideators.library import Atom, genome_title, idea_text


class DataSettings(Settings, frozen=True):
    """What is asked and what answers are made of; shares are between 0 and 1.

    `prompt` must be the style in which the model will be asked later. `library`: `all`, or only the
    atoms that are expected to complete. `lengths`: the shares of library ideas that join one atom,
    two atoms, and so on, which sum to 1.
    `considered`: how many other atoms thinking names, at most. `searches`: which earlier searches
    in the store are learnt from, by a pattern over the names of their runs; `top`: of their
    completed ideas, the share with the highest rewards; `claims`: which imported sets are, too, by
    what they claim of their ideas (none by default); `earlier`: the share of answers that come from
    all these, where there are any.
    """

    prompt: PromptStyle = "full"
    library: Literal["all", "completed"] = "all"
    lengths: tuple[Share, ...] = (0.5, 0.5)
    considered: AtLeast0 = 3
    searches: str = "*"
    claims: str | None = None
    top: Share = 0.2
    earlier: Share = 0.25

    def __post_init__(self) -> None:
        if abs(sum(self.lengths) - 1) > 1e-6:
            raise ValueError(
                f"lengths: the shares sum to {sum(self.lengths):g} and not to 1; give those of "
                "ideas that join one atom, two atoms, and so on"
            )


@dataclass(frozen=True)
class Sources:
    """Where answers come from: a library's atoms, and ideas that did well."""

    atoms: Sequence[Atom]
    earlier: Sequence[Idea]
    settings: DataSettings


def teachable(atoms: Sequence[Atom], settings: DataSettings) -> list[Atom]:
    """The atoms that a warm start teaches."""
    return [a for a in atoms if settings.library == "all" or a.expect == "completed"]


def make_answer(sources: Sources, seed: int, index: int, attempt: int = 0) -> str:
    """One answer of an endless sequence; another `attempt` is another answer for the place."""
    rng = Random(f"{seed}/{index}/{attempt}")
    settings = sources.settings
    if sources.earlier and rng.random() < settings.earlier:
        return _earlier_answer(rng.choice(sources.earlier), sources, rng)
    (count,) = rng.choices(range(1, 1 + len(settings.lengths)), settings.lengths)
    count = min(count, len(sources.atoms))
    atoms = sorted(rng.sample(list(sources.atoms), count), key=lambda atom: atom.id)
    parts = [(atom, _draw(atom, rng)) for atom in atoms]
    title = genome_title(tuple((atom.id, tuple(values.items())) for atom, values in parts))
    return write_answer(_thinking(title, sources, rng), idea_text(parts))


def _earlier_answer(idea: Idea, sources: Sources, rng: Random) -> str:
    """An earlier idea with the thinking that led to it, where that was kept."""
    kept = idea.meta.get("thinking") or _thinking(str(idea.meta.get("title", "")), sources, rng)
    return write_answer(str(kept), idea.text)


def _thinking(title: str, sources: Sources, rng: Random) -> str:
    """A trace of varied length that ends with what was chosen."""
    count = rng.randint(0, min(sources.settings.considered, len(sources.atoms)))
    names = [atom.id for atom in rng.sample(list(sources.atoms), count)]
    considered = [f"Considered {', '.join(names)}."] if names else []
    return " ".join([*considered, *([f"Chosen: {title}."] if title else [])])


def _draw(atom: Atom, rng: Random) -> dict[str, Scalar]:
    return {name: rng.choice(atom.params[name]) for name in sorted(atom.params)}
