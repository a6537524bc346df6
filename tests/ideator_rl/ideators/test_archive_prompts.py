from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor import Idea, Outcome
from ideator_rl.ideators.archive_prompts import Prompt, PromptsSettings, choose, fitted, puct_scores
from ideator_rl.ideators.ideator import Executed


def entry(
    name: str, reward: float | None, parents: tuple[str, ...] = (), code: str = "", epoch: int = 1
) -> Executed:
    """None is a crash."""
    status = "crashed" if reward is None else "completed"
    outcome = Outcome(name, status, reward or 0.0, content_hash=code or name)
    return Executed(Idea(name, f"idea {name}", epoch, parents=parents), outcome)


def names(chosen: list[Executed]) -> list[str]:
    return [e.idea.id for e in chosen]


ARCHIVE = [
    entry("a", 0.5),
    entry("b", None),
    entry("c", 0.9),
    entry("d", 0.9, code="c"),
    entry("e", 0.7),
]


def test_the_best_are_completed_and_of_different_codebases() -> None:
    best = choose(PromptsSettings("best", 3), ARCHIVE, {}, Random(0))
    assert names(best) == ["c", "e", "a"]
    assert choose(PromptsSettings(), ARCHIVE, {}, Random(0)) == []


def test_random_ones_may_have_failed() -> None:
    drawn = [names(choose(PromptsSettings("random", 2), ARCHIVE, {}, Random(n))) for n in range(50)]
    assert {name for one in drawn for name in one} == {"a", "b", "c", "e"}


def test_puct_prefers_what_its_children_made_of_it_and_what_was_shown_less() -> None:
    archive = [entry("a", 0.5), entry("b", 0.6), entry("c", 0.9, parents=("a",), epoch=2)]
    # Ranks c, b, a have the priors 3/6, 2/6, 1/6; the range of rewards is 0.4.
    assert puct_scores(archive, {}, archive) == pytest.approx(
        {"a": 0.9 + 0.4 / 6, "b": 0.6 + 0.4 / 3, "c": 0.9 + 0.4 / 2}
    )
    assert puct_scores(archive, {"c": 3}, archive) == pytest.approx(
        {"a": 0.9 + 0.4 / 6 * 2, "b": 0.6 + 0.4 / 3 * 2, "c": 0.9 + 0.4 / 2 * 2 / 4}
    )
    one = PromptsSettings("puct", 1)
    assert names(choose(one, archive, {}, Random(0))) == ["c"]
    assert names(choose(one, archive, {"c": 3}, Random(0))) == ["a"]


def test_what_matters_least_is_left_out_where_there_is_no_room() -> None:
    chosen = choose(PromptsSettings("best", 3), ARCHIVE, {}, Random(0))
    whole = fitted("first", chosen, lambda text: True)
    assert whole.shown == ("a", "c", "e") and whole.text.startswith("first\n\n## Tried so far")
    shorter = fitted("first", chosen, lambda text: len(text) < len(whole.text))
    assert shorter.shown == ("c", "e") and "idea a" not in shorter.text
    assert fitted("first", chosen, lambda text: False) == Prompt("first")
    assert "idea \\c" in fitted("", chosen, lambda _: True, lambda t: t.replace("c", "\\c")).text


def name(number: int) -> str:
    """The order of names is that of numbers."""
    return f"{number:02d}"


rewards = st.floats(-5, 5) | st.none()
archives = st.lists(
    st.tuples(rewards, st.lists(st.integers(0, 19), max_size=3), st.integers(0, 9)), max_size=20
)


@given(
    archives,
    st.sampled_from(["fixed", "random", "best", "puct"]),
    st.integers(1, 6),
    st.dictionaries(st.integers(0, 19).map(name), st.integers(1, 5)),
    st.integers(0, 5),
)
def test_a_choice_follows_from_its_arguments_and_shows_no_code_twice(
    past: list, kind: str, shown: int, visits: dict[str, int], seed: int
) -> None:
    archive = [
        entry(name(n), reward, tuple(map(name, parents)), code=f"code {code}")
        for n, (reward, parents, code) in enumerate(past)
    ]
    settings = PromptsSettings(kind, shown)  # type: ignore[arg-type]
    chosen = choose(settings, archive, visits, Random(seed))
    assert chosen == choose(settings, archive, visits, Random(seed))
    codes = [e.outcome.content_hash for e in chosen]
    assert len(set(codes)) == len(codes) <= (0 if kind == "fixed" else shown)
    assert kind == "random" or all(e.outcome.completed for e in chosen)
    if kind == "best" and chosen:
        firsts = {e.outcome.content_hash: e for e in reversed(archive)}
        left = [
            e.outcome.reward for e in firsts.values() if e.outcome.completed and e not in chosen
        ]
        assert min(e.outcome.reward for e in chosen) >= max(left, default=-9.0)
