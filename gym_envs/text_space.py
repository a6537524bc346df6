"""Text as people and language models write it: any Unicode, up to a length."""

from __future__ import annotations

from typing import Any, NoReturn

from gymnasium.error import CustomSpaceError
from gymnasium.spaces import Text
from gymnasium.vector.utils import create_shared_memory

_SAMPLE_LENGTH = 64


class UnicodeText(Text):
    """The space of all strings of at most `max_length` characters, the empty one included.

    Samples are short strings of characters from the whole of Unicode, surrogates excepted.
    """

    def __init__(self, max_length: int, *, seed: int | None = None) -> None:
        super().__init__(max_length, min_length=0, seed=seed)

    def contains(self, x: Any) -> bool:
        return isinstance(x, str) and len(x) <= self.max_length

    def sample(self, mask: Any = None, probability: Any = None) -> str:
        if mask is not None or probability is not None:
            raise ValueError("UnicodeText does not sample with a mask or probabilities")
        length = int(self.np_random.integers(0, min(self.max_length, _SAMPLE_LENGTH) + 1))
        points = self.np_random.integers(1, 0x110000 - 0x800, size=length)
        # Skipping the 2048 surrogates, which cannot be encoded.
        return "".join(chr(p if p < 0xD800 else p + 0x800) for p in points.tolist())

    def __repr__(self) -> str:
        return f"UnicodeText({self.max_length})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UnicodeText) and self.max_length == other.max_length

    __hash__ = None  # type: ignore[assignment]


@create_shared_memory.register(UnicodeText)
def _refuse_shared_memory(space: UnicodeText, n: int = 1, ctx: Any = None) -> NoReturn:
    """Gymnasium's AsyncVectorEnv would hold the longest text there may be, and has no Unicode."""
    raise CustomSpaceError(
        "texts of any length fit into no shared memory; leave vectorization_mode out: the default "
        "executes a batch's ideas at once"
    )
