"""The embedded baseline ideator: no language model, it recombines a problem's library of ideas.

    ideator = LibraryIdeator(load_library(problem.library))

`sample` draws atomic ideas, `exploit` combines and varies the best ideas, `explore`
tries atoms and pairs that nobody has tried. An idea that changes its parent's codebase carries only
the atoms that this does not have yet. It knows nothing but the library and the rewards, so it
is what an ideator that reads and thinks has to beat.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from random import Random
from typing import Annotated, Any

import yaml
from msgspec import Meta

from executor.errors import UserError
from executor.records import Idea, Status
from executor.settings import FieldError, Scalar, Settings, convert
from ideator_rl.ideators.by_rank import by_rank
from ideator_rl.ideators.ideator import Executed, IdeaRequest, Proposal
from ideator_rl.yaml_text import read_yaml

# An idea of this ideator: its atoms, each with the values of its parameters, sorted by name.
Genome = tuple[tuple[str, tuple[tuple[str, Scalar], ...]], ...]

_ATTEMPTS = 100


class Atom(Settings, frozen=True):
    """One entry of `ideas.yaml`; `{name}` in its texts stands for a value out of `params`.

    `expect` is the status that the first values lead to.
    """

    id: Annotated[str, Meta(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    experiment: Annotated[str, Meta(min_length=1)]
    changes: Annotated[str, Meta(min_length=1)]
    params: dict[str, list[Scalar]] = {}
    expect: Status = "completed"


class LibraryIdeator:
    """Proposes each combination of atoms and values at most once in a run.

    Its proposals are a function of the request alone, so that a resumed search repeats itself.
    """

    def __init__(self, atoms: Sequence[Atom]) -> None:
        self._atoms = {atom.id: atom for atom in atoms}

    async def propose(self, request: IdeaRequest) -> AsyncGenerator[list[Proposal], None]:
        taken = {_genome(idea) for idea in request.seen}
        there = _genes_there(request)
        proposals: list[Proposal] = []
        for attempt in range(_ATTEMPTS * request.count):
            if len(proposals) == request.count:
                break
            # When all small combinations have been proposed, larger ones follow.
            genome, parents = self._variation(request, 1 + attempt // _ATTEMPTS)
            if genome not in taken:
                taken.add(genome)
                new = tuple(gene for gene in genome if gene[0] not in there)
                text = idea_text([(self._atoms[name], dict(values)) for name, values in new])
                meta = {"title": genome_title(new), "atoms": genome}
                proposals.append(Proposal(text, parents, meta))
        yield proposals

    async def close(self) -> None:
        """Does nothing: it holds no resources."""

    def _variation(self, request: IdeaRequest, size: int) -> tuple[Genome, tuple[str, ...]]:
        rng = request.rng
        # Others' ideas are no atoms of this library.
        own = [entry for entry in request.history if self._is_own(entry.idea)]
        if request.base is not None:
            return self._extend(request, own, rng)
        if request.mode == "exploit" and own and rng.random() < 1 / size:
            return self._improve(request.parent, own, rng)
        if request.mode == "explore" and rng.random() < 0.5:
            size += 1
        names = rng.sample(sorted(self._atoms), min(size, len(self._atoms)))
        return _sorted({name: self._draw(name, rng) for name in names}), ()

    def _extend(
        self, request: IdeaRequest, own: Sequence[Executed], rng: Random
    ) -> tuple[Genome, tuple[str, ...]]:
        """Adds an atom to what the parent's codebase has, or the atoms of another idea."""
        genes = _genes_there(request)
        if rng.random() < 0.5 and own:
            other = by_rank(own, rng)
            return _sorted(dict(_genome(other.idea)) | genes), (other.idea.id,)
        name = rng.choice(sorted(self._atoms))
        return _sorted({name: self._draw(name, rng)} | genes), ()

    def _improve(
        self, parent: Executed | None, history: Sequence[Executed], rng: Random
    ) -> tuple[Genome, tuple[str, ...]]:
        """Combines two ideas, or adds, varies or drops one atom of one."""
        if parent is None or not self._is_own(parent.idea):
            parent = by_rank(_elite(history), rng)
        genes = dict(_genome(parent.idea))
        parents = [parent.idea.id]
        move = rng.choices(["combine", "add", "vary", "drop"], [4, 3, 2, 1])[0]
        if move == "combine":
            other = by_rank(history, rng)
            genes = dict(_genome(other.idea)) | genes
            parents += [other.idea.id] if other.idea.id != parent.idea.id else []
        elif move == "add":
            name = rng.choice(sorted(self._atoms))
            genes.setdefault(name, self._draw(name, rng))
        elif move == "vary":
            name = rng.choice(sorted(genes))
            genes[name] = self._draw(name, rng)
        elif len(genes) > 1:
            del genes[rng.choice(sorted(genes))]
        return _sorted(genes), tuple(parents)

    def _is_own(self, idea: Idea) -> bool:
        genome = _genome(idea)
        return bool(genome) and all(name in self._atoms for name, _ in genome)

    def _draw(self, name: str, rng: Random) -> tuple[tuple[str, Scalar], ...]:
        params = self._atoms[name].params
        return tuple((param, rng.choice(params[param])) for param in sorted(params))


def load_library(path: Path) -> list[Atom]:
    """The atomic ideas of an `ideas.yaml`. Raises UserError naming the entry and the fix."""
    try:
        atoms = convert(read_yaml(path.read_text()) or [], list[Atom])
    except FileNotFoundError:
        raise UserError(f"{path}: missing; the library ideator needs a list of ideas") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    except FieldError as error:
        raise UserError(f"{path}: {error}") from None
    names = [atom.id for atom in atoms]
    if not names or len(set(names)) < len(names):
        raise UserError(f"{path}: needs at least one idea, and no id twice")
    return atoms


def default_values(atom: Atom) -> dict[str, Scalar]:
    """The first value of every parameter."""
    return {name: values[0] for name, values in atom.params.items()}


def idea_text(parts: Sequence[tuple[Atom, dict[str, Any]]]) -> str:
    """The text of an idea that joins atoms, in the form `[Experiment] … [Code Changes] …`."""
    experiments = [_filled(atom.experiment, values).strip() for atom, values in parts]
    changes = [_filled(atom.changes, values).rstrip() for atom, values in parts]
    joined = " ".join(" ".join(text.split()) for text in experiments)
    return f"[Experiment] {joined}\n[Code Changes]\n" + "\n\n".join(changes) + "\n"


def genome_title(genome: Genome) -> str:
    """One line: the names of the atoms and their values, `adam 5 + gelu`."""
    values = [" ".join(str(value) for _, value in pairs) for _, pairs in genome]
    return " + ".join(f"{name} {v}".rstrip() for (name, _), v in zip(genome, values, strict=True))


def _filled(text: str, values: dict[str, Any]) -> str:
    # Not str.format: code is full of braces.
    for name, value in values.items():
        text = text.replace("{" + name + "}", str(value))
    return text


def _genome(idea: Idea) -> Genome:
    atoms = idea.meta.get("atoms", ())
    return tuple((name, tuple((p, v) for p, v in values)) for name, values in atoms)


def _genes_there(request: IdeaRequest) -> dict[str, tuple[tuple[str, Scalar], ...]]:
    """The atoms in the codebase that a request's ideas change; none in the baseline."""
    if request.base is None or request.parent is None:
        return {}
    return dict(_genome(request.parent.idea))


def _sorted(genes: dict[str, tuple[tuple[str, Scalar], ...]]) -> Genome:
    return tuple(sorted(genes.items(), key=lambda gene: gene[0]))


def _elite(history: Sequence[Executed]) -> Sequence[Executed]:
    """The best quarter of the ideas, at least two."""
    ranked = sorted(history, key=lambda entry: entry.outcome.reward, reverse=True)
    return ranked[: max(2, len(ranked) // 4)]
