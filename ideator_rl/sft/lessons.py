"""What a warm start teaches of each problem, and which of its answers is about which.

check_libraries(recipe, problems)
keep_earlier_ideas(find_earlier_ideas(recipe, problems, store, run_folder))    # by one process
lessons = read_lessons(recipe, problems, run_folder)
lessons.of(17).prompt                  # of the answer with this index
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from executor.errors import UserError
from executor.problem.problem import Problem
from executor.records import Idea
from executor.store.runs import Store
from ideator_rl.ideators.language_model.chat import style_prompt
from ideator_rl.ideators.library import Atom, load_library
from ideator_rl.recipe.shares import Shares
from ideator_rl.sft.earlier_ideas import claimed_ideas, earlier_ideas
from ideator_rl.sft.idea_texts import Sources, make_answer, teachable
from ideator_rl.sft.recipe import WarmStartRecipe


@dataclass(frozen=True)
class Lesson:
    """One problem: its name, what is asked, and what answers are made of."""

    problem: str
    prompt: str
    sources: Sources


class Lessons:
    """All of them, whose answers take turns by the weights of the problems."""

    def __init__(self, recipe: WarmStartRecipe, each: Sequence[Lesson]) -> None:
        self.each, self._seed = each, recipe.seed
        self._shares = Shares([one.weight for one in recipe.problems], recipe.seed)

    def of(self, index: int) -> Lesson:
        """What an answer is about, by its place in the endless sequence of answers."""
        return self.each[self._shares.at(index)]

    def texts(self, answers: int) -> list[str]:
        """The first so many answers, then a prompt for each."""
        taught = [self.of(index) for index in range(answers)]
        made = [make_answer(one.sources, self._seed, i) for i, one in enumerate(taught)]
        return [*made, *(lesson.prompt for lesson in taught)]


def check_libraries(recipe: WarmStartRecipe, problems: Sequence[Problem]) -> None:
    """Raises UserError where a problem has nothing that is taught."""
    for problem in problems:
        if not _atoms(recipe, problem):
            raise UserError(
                f"{problem.library}: none is expected to complete; set data.library: all"
            )


def find_earlier_ideas(
    recipe: WarmStartRecipe, problems: Sequence[Problem], store: Store, folder: Path
) -> dict[Path, list[Idea]]:
    """The ideas to teach beside the libraries, by the file that is to keep them; none for a file
    that is there: later searches do not change what a run has begun with.

    Raises UserError where the recipe names searches, and there is nothing in them.
    """
    data, found = recipe.data, {}
    for problem in problems:
        if not (path := _earlier_file(folder, problem)).exists():
            found[path] = earlier_ideas(store, problem, data.searches, data.top)
    if found and not any(found.values()) and data.searches != "*":
        names = ", ".join(problem.name for problem in problems)
        raise UserError(
            f"data.searches: no search on {names} that is named {data.searches} has a completed "
            f"idea in {store.url}"
        )
    for problem in problems if data.claims else ():
        if (path := _earlier_file(folder, problem)) in found:
            found[path] += claimed_ideas(store, problem, str(data.claims), data.top)
    return found


def keep_earlier_ideas(found: Mapping[Path, Sequence[Idea]]) -> None:
    """Writes each file, whole or not at all."""
    for path, ideas in found.items():
        fresh = path.with_name(f".{path.name}")
        fresh.write_text("".join(f"{idea.to_json()}\n" for idea in ideas))
        fresh.rename(path)


def read_lessons(recipe: WarmStartRecipe, problems: Sequence[Problem], folder: Path) -> Lessons:
    """What is taught, with the earlier ideas that the run keeps in its folder."""
    each = []
    for problem in problems:
        lines = _earlier_file(folder, problem).read_text().splitlines()
        earlier = [Idea.from_json(line) for line in lines]
        sources = Sources(_atoms(recipe, problem), earlier, recipe.data)
        each.append(Lesson(problem.name, style_prompt(problem, recipe.data.prompt), sources))
    return Lessons(recipe, each)


def _earlier_file(folder: Path, problem: Problem) -> Path:
    return folder / f"earlier-{problem.name}.jsonl"


def _atoms(recipe: WarmStartRecipe, problem: Problem) -> list[Atom]:
    return teachable(load_library(problem.library), recipe.data)
