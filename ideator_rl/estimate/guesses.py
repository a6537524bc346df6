"""What an estimate supposes: what earlier runs of the store tell, else assumptions, by name.

known = guesses(recipe, problem, past)
known.trial_s, known.told        # and the lines that say where the figures come from
"""

from __future__ import annotations

from dataclasses import dataclass

from executor.implementer.llm import problem_text, question_text, system_text
from executor.llm.settings import LLMSettings
from executor.problem import Problem
from ideator_rl.estimate.past_costs import Past
from ideator_rl.recipe import ApiIdeatorSettings, LLMImplementerSettings, SearchRecipe

EXECUTED, ABOVE, REVISED, REPAIRED = 0.9, 0.3, 0.2, 0.1
IDEA_BYTES, IDEA_TOKENS, EDIT_TOKENS, THINKING_TOKENS = 1500, 400, 2000, 4000
TOKEN_BYTES, TOKENS_A_SECOND = 4.0, 60.0


@dataclass(frozen=True)
class Guesses:
    """Times in seconds. `executed` and `above` are shares of ideas: those that take a trial of
    their own, those above the baseline. `idea_tokens` are written for an idea, `edit_tokens` for an
    edit, the thinking beside them for a whole answer; `revised` are revisions for each first
    answer, `repaired` is the share of ideas whose first codebase crashes at once. Without
    `ideation_s` and `edit_s`, an answer's time follows from its length. `told` says in lines what
    comes from where."""

    trial_s: float
    baseline_s: float
    executed: float
    above: float
    idea_bytes: float
    idea_tokens: float
    ideation_thinking: float
    ideation_s: float | None
    edit_tokens: float
    edit_thinking: float
    edit_s: float | None
    revised: float
    repaired: float
    token_bytes: float
    tokens_a_second: float
    told: tuple[str, ...]


def guesses(recipe: SearchRecipe, problem: Problem, past: Past) -> Guesses:
    """Past figures where there are some."""
    measured: list[str] = []
    assumed: list[str] = []

    def choose(found: float | None, assumption: float, words: str, shown: bool = True) -> float:
        value = assumption if found is None else found
        if shown:
            (assumed if found is None else measured).append(words.format(value))
        return value

    budget = problem.file.budget.seconds
    trial_s = choose(past.trial_s, budget, "{:,.4g} s a trial")
    baseline_s = choose(
        past.baseline_s, trial_s, "{:,.4g} s a baseline", past.baseline_s is not None
    )
    executed = choose(past.executed, EXECUTED, "{:.0%} of the ideas take a trial")
    ideator = recipe.ideator.llm if isinstance(recipe.ideator, ApiIdeatorSettings) else None
    writer = (
        recipe.implementer.llm if isinstance(recipe.implementer, LLMImplementerSettings) else None
    )
    asked = ideator is not None or writer is not None
    above = choose(past.above, ABOVE, "{:.0%} beat the baseline", ideator is not None)
    idea_bytes = choose(past.idea_bytes, IDEA_BYTES, "{:.0f} bytes an idea", asked)
    idea_tokens = choose(
        past.idea_tokens, IDEA_TOKENS, "{:.0f} output tokens an idea", ideator is not None
    )
    edit_tokens = choose(
        past.edit_tokens, EDIT_TOKENS, "{:.0f} output tokens an edit", writer is not None
    )
    revised = choose(past.revised, REVISED, "{:.0%} of the edits are revised", writer is not None)
    mends = isinstance(recipe.implementer, LLMImplementerSettings) and bool(
        recipe.implementer.repair_within_s
    )
    repaired = choose(past.repaired if mends else None, REPAIRED, "{:.0%} are repaired", mends)
    ideation_thinking = 0.0 if past.idea_tokens else _thinking(ideator)
    edit_thinking = 0.0 if past.edit_tokens else _thinking(writer)
    if thinking := max(ideation_thinking, edit_thinking):
        assumed.append(f"{thinking:.0f} tokens of thinking an answer")
    token_bytes = choose(
        _token_bytes(recipe, problem, past, idea_bytes), TOKEN_BYTES, "{:.2g} bytes a token", asked
    )
    unknown = (ideator and not past.ideation_s) or (writer and not past.edit_s)
    if unknown:
        assumed.append(f"{TOKENS_A_SECOND:.0f} output tokens a second")
    return Guesses(
        trial_s=trial_s,
        baseline_s=baseline_s,
        executed=executed,
        above=above,
        idea_bytes=idea_bytes,
        idea_tokens=idea_tokens,
        ideation_thinking=ideation_thinking,
        ideation_s=past.ideation_s,
        edit_tokens=edit_tokens,
        edit_thinking=edit_thinking,
        edit_s=past.edit_s,
        revised=revised,
        repaired=repaired,
        token_bytes=token_bytes,
        tokens_a_second=TOKENS_A_SECOND,
        told=_told(measured, assumed, past),
    )


def _thinking(llm: LLMSettings | None) -> float:
    """Tokens that an answer's thinking takes."""
    if llm is None or (llm.thinking_tokens is None and llm.effort is None):
        return 0.0
    most = llm.thinking_tokens
    return float(min(most, THINKING_TOKENS)) if isinstance(most, int) else THINKING_TOKENS


def _token_bytes(
    recipe: SearchRecipe, problem: Problem, past: Past, idea_bytes: float
) -> float | None:
    """From the questions of earlier runs, whose texts are known but for the ideas in them."""
    if past.prompt_tokens is None or not isinstance(recipe.implementer, LLMImplementerSettings):
        return None
    system = system_text(recipe.implementer.edit_format)
    texts = (system, problem_text(problem), question_text(""))
    size = sum(len(text.encode()) for text in texts) + idea_bytes
    # A token has a byte at least, whatever the prompts were like then.
    return min(8.0, max(1.0, size / past.prompt_tokens))


def _told(measured: list[str], assumed: list[str], past: Past) -> tuple[str, ...]:
    lines = []
    if measured:
        runs = f"{len(past.runs)} earlier run" + ("s" if len(past.runs) > 1 else "")
        lines.append(f"as in {runs} of the store: {', '.join(measured)}")
    if assumed:
        lines.append(f"assumed: {', '.join(assumed)}")
    return tuple(lines)
