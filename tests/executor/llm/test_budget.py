"""A budget is never overrun, whatever is under way, and however the run was interrupted."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor.llm.budget import RequestBudget
from executor.llm.journal import Journal
from executor.llm.meter import CallMeter, Charge, charge_of, worst_case
from executor.llm.records import LLM, BudgetSpent, Message, NoReply, Request, Response, Usage
from executor.llm.settings import LLMBudget, LLMSettings, Prices
from tests.executor.llm.asking import ask, question, settings_for, with_llm
from tests.llm_servers import Asked, Fault, Reply, serve


async def _all(llm: LLM, count: int) -> list[Response | BaseException]:
    asked = (llm.complete(question(sample=number)) for number in range(count))
    return await asyncio.gather(*asked, return_exceptions=True)


def _answered(ended: list[Response | BaseException]) -> list[Response]:
    assert {type(end) for end in ended} <= {Response, BudgetSpent}
    return [end for end in ended if isinstance(end, Response)]


def test_a_budget_of_calls_is_filled_exactly(api: str, journal: Path) -> None:
    with serve(api, lambda asked: Reply("yes", delay_s=0.02)) as server:
        settings = settings_for(api, server, budget={"calls": 7})
        ended = with_llm(settings, journal, lambda llm: _all(llm, 20))
        assert len(_answered(ended)) == len(server.asked) == 7


@pytest.mark.parametrize("claims", [0, -(10**9), 10**400])
def test_a_server_that_counts_wrongly_gives_no_call_away(
    api: str, journal: Path, claims: int
) -> None:
    """Nothing at all, less than nothing, and more than a float can hold."""
    prices = {"input": 1.0, "output": 1.0}
    with serve(api, lambda asked: Reply("yes", claims=claims)) as server:
        settings = settings_for(api, server, prices=prices, budget={"calls": 3})
        ended = with_llm(settings, journal, lambda llm: _all(llm, 6))
        assert len(_answered(ended)) == len(server.asked) == 3
    spent = Journal(journal).spent()
    assert spent.calls == 3 and spent.tokens >= 0 and 0 <= spent.money < float("inf")


def test_a_budget_goes_on_where_an_earlier_session_ended(api: str, journal: Path) -> None:
    with serve(api, lambda asked: Reply("yes")) as server:
        settings = settings_for(api, server, budget={"calls": 7})
        with_llm(settings, journal, lambda llm: _all(llm, 5))
        ended = with_llm(settings, journal, lambda llm: _all(llm, 20))
        assert len(server.asked) == 7
        assert len(_answered(ended)) == 7


def test_a_budget_of_tokens_waits_for_what_is_under_way(api: str, journal: Path) -> None:
    """The worst case of all at once does not fit, what they really use does."""
    with serve(api, lambda asked: Reply("yes", delay_s=0.02)) as server:
        settings = settings_for(api, server, max_tokens=1000, budget={"tokens": 3000})
        ended = with_llm(settings, journal, lambda llm: _all(llm, 30))
        assert len(_answered(ended)) == 30
        assert server.most_open == 2


def test_a_budget_of_money_is_never_overrun(api: str, journal: Path) -> None:
    prices = {"input": 1000, "output": 50_000, "cache_read": 100, "cache_write": 1250}
    with serve(api, lambda asked: Reply("word " * 100, "hm " * 50)) as server:
        settings = settings_for(api, server, max_tokens=200, prices=prices, budget={"money": 100.0})
        answers = _answered(with_llm(settings, journal, lambda llm: _all(llm, 40)))
    spent = Journal(journal).spent()
    assert sum(answer.cost for answer in answers) == pytest.approx(spent.money)
    # What is left does not hold one more answer in its worst case.
    assert 85 < spent.money <= 100


def test_a_budget_that_is_too_small_says_so_before_anything_is_sent(
    api: str, journal: Path
) -> None:
    with serve(api, lambda asked: Reply("yes")) as server:
        settings = settings_for(api, server, budget={"tokens": 500})
        with pytest.raises(BudgetSpent, match=r"llm\.budget\.tokens: 0 of 500 are spent"):
            ask(settings, journal, question())
        assert not server.asked


def test_what_was_refused_costs_nothing(api: str, journal: Path) -> None:
    def answer(asked: Asked) -> Reply | Fault:
        return Fault("500") if asked.number == 0 else Reply("yes")

    with serve(api, answer) as server:
        settings = settings_for(api, server, budget={"calls": 1})
        (response,) = ask(settings, journal, question())
    assert response.text == "yes"


@pytest.mark.parametrize("fault", ["mid_stream", "cut", "reset", "stream_error"])
def test_what_broke_in_the_middle_counts(api: str, journal: Path, fault: str) -> None:
    with serve(api, lambda asked: Fault(fault)) as server:
        settings = settings_for(api, server, tries=1, prices={"output": 1e6})
        with pytest.raises(NoReply):
            ask(settings, journal, question())
    spent = Journal(journal).spent()
    assert spent.calls == 1
    assert spent.money >= 100


def test_a_paid_attempt_before_the_answer_is_part_of_its_cost(journal: Path) -> None:
    def answer(asked: Asked) -> Reply | Fault:
        return Fault("mid_stream") if asked.number == 0 else Reply("yes")

    with serve("anthropic", answer) as server:
        settings = settings_for("anthropic", server, prices={"output": 1e6})
        (response,) = ask(settings, journal, question())
    assert response.cost > response.usage.output
    assert response.cost == Journal(journal).spent().money


@pytest.mark.parametrize("thinking", ["", "hm"])
def test_a_cancelled_answer_counts_as_what_it_can_have_cost(journal: Path, thinking: str) -> None:
    """What arrived bounds it, but for thinking, which is not shown whole."""

    async def cancel(llm: LLM) -> None:
        task = asyncio.ensure_future(llm.complete(question()))
        while not server.asked:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    slow = Reply("x" * 100, thinking, pieces=100, pause_s=0.03)
    with serve("anthropic", lambda asked: slow) as server:
        settings = settings_for("anthropic", server, prices={"output": 1e6})
        with_llm(settings, journal, cancel)
    money = Journal(journal).spent().money
    assert money == 16_000 if thinking else 1 <= money <= 1100


def test_thinking_fits_into_the_worst_case(journal: Path) -> None:
    settings = LLMSettings("anthropic", "m", prices=Prices(input=1, cache_write=2), max_tokens=10)
    worst = worst_case(Request("ideate", "é", "", (Message("user", "\ud83d"),)), settings)
    assert worst.output == 10
    assert worst.cache_write >= 2 + 3
    assert (worst.input, worst.cache_read) == (0, 0)


def test_a_charge_is_priced_per_million_tokens() -> None:
    prices = Prices(input=3, output=15, cache_read=0.3, cache_write=3.75)
    usage = Usage(input=1000, output=200, cache_read=10_000, cache_write=400)
    charge = charge_of(usage, prices)
    assert (charge.calls, charge.tokens) == (1, 11_600)
    assert charge.money == pytest.approx(0.003 + 0.003 + 0.003 + 0.0015)
    assert charge_of(Usage(), prices) == Charge()


@given(
    limit=st.integers(0, 50),
    requests=st.lists(st.tuples(st.integers(1, 20), st.floats(0, 1)), max_size=20),
)
def test_no_order_of_settling_overruns_a_budget(
    limit: int, requests: list[tuple[int, float]]
) -> None:
    budget = RequestBudget(LLMBudget(tokens=limit), Charge())
    reached: list[int] = []

    async def one(tokens: int, share: float) -> None:
        worst = Charge(1, tokens)
        try:
            await budget.reserve(worst)
        except BudgetSpent:
            return
        await asyncio.sleep(0)
        budget.settle(worst, Charge(1, int(tokens * share)))
        reached.append(budget.spent.tokens)

    async def main() -> None:
        async with asyncio.timeout(10):
            await asyncio.gather(*(one(*request) for request in requests))

    asyncio.run(main())
    assert all(tokens <= limit for tokens in reached)
    fits = [tokens for tokens, _ in requests if tokens <= limit]
    assert bool(reached) == bool(fits)


def test_one_that_gives_up_waiting_does_not_hold_up_the_others() -> None:
    async def main() -> None:
        budget = RequestBudget(LLMBudget(calls=2), Charge())
        await budget.reserve(Charge(2))
        impatient = asyncio.ensure_future(budget.reserve(Charge(1)))
        patient = asyncio.ensure_future(budget.reserve(Charge(1)))
        await asyncio.sleep(0)
        impatient.cancel()
        budget.settle(Charge(2), Charge(1))
        async with asyncio.timeout(5):
            await patient

    asyncio.run(main())


def test_a_meter_begins_at_the_worst_and_a_refusal_is_free() -> None:
    settings = LLMSettings("openai", "m")
    meter = CallMeter(question(), settings)
    assert meter.at_most == worst_case(question(), settings)
    meter.nothing()
    assert meter.at_most == Usage()
