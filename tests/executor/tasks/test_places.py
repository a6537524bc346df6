"""Who has a place when, and how much of it."""

from __future__ import annotations

import asyncio
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from executor.tasks.places import Places

# Priority, age, into how many parts the place is divided, whether it is cancelled while it waits.
ASKED = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(1, 3), st.booleans()), max_size=9
)
Asked = list[tuple[int, int, int, bool]]


async def order_of(asked: Asked) -> list[int]:
    """Who had the place, in order; all of them ask while it is taken."""
    places, used, had = Places(1), Fraction(0), list[int]()

    async def take(number: int) -> None:
        nonlocal used
        priority, submitted_at, parts, _ = asked[number]
        async with places.one(priority, submitted_at, Fraction(1, parts)):
            used += Fraction(1, parts)
            assert used <= 1
            had.append(number)
            await asyncio.sleep(0)
            used -= Fraction(1, parts)

    async with places.one(0, 0):
        tasks = [asyncio.create_task(take(number)) for number in range(len(asked))]
        await asyncio.sleep(0)
        for task, (*_, is_cancelled) in zip(tasks, asked, strict=True):
            if is_cancelled:
                task.cancel()
        await asyncio.sleep(0)
        assert not had
    await asyncio.gather(*tasks, return_exceptions=True)
    assert places._free == 1
    return had


@given(asked=ASKED)
def test_the_highest_priority_is_next_then_the_oldest_and_none_takes_what_is_not_free(
    asked: Asked,
) -> None:
    waiting = [number for number, (*_, is_cancelled) in enumerate(asked) if not is_cancelled]
    expected = sorted(waiting, key=lambda number: (-asked[number][0], asked[number][1], number))
    assert asyncio.run(order_of(asked)) == expected


def test_who_is_cancelled_lets_in_those_behind() -> None:
    async def run() -> None:
        places = Places(1)
        async with places.one(0, 0, Fraction(1, 2)):
            whole = asyncio.create_task(places.one(0, 1).__aenter__())
            half = asyncio.create_task(places.one(0, 2, Fraction(1, 2)).__aenter__())
            await asyncio.sleep(0)
            # There is room for it, and another is before it.
            assert not half.done()
            whole.cancel()
            await asyncio.wait_for(half, 10)

    asyncio.run(run())
