from __future__ import annotations

import pytest
from gymnasium.error import CustomSpaceError
from gymnasium.vector.utils import create_shared_memory
from hypothesis import given
from hypothesis import strategies as st

from gym_envs.text_space import UnicodeText


@given(st.text(max_size=200))
def test_any_unicode_up_to_the_length_is_in_the_space(text: str) -> None:
    assert text in UnicodeText(200)
    assert (text in UnicodeText(10)) == (len(text) <= 10)


def test_other_things_are_not() -> None:
    assert None not in UnicodeText(10)
    assert b"bytes" not in UnicodeText(10)


def test_samples_are_seeded_encodable_and_in_the_space() -> None:
    space, again = UnicodeText(50, seed=3), UnicodeText(50, seed=3)
    samples = [space.sample() for _ in range(200)]
    assert samples == [again.sample() for _ in range(200)]
    assert all(sample in space and sample.encode() is not None for sample in samples)
    assert len(set(samples)) > 150


def test_masks_are_refused() -> None:
    with pytest.raises(ValueError, match="mask"):
        UnicodeText(5).sample(mask=(1, None))


def test_shared_memory_is_refused_at_once() -> None:
    with pytest.raises(CustomSpaceError, match="leave vectorization_mode out"):
        create_shared_memory(UnicodeText(100_000_000), n=2)
