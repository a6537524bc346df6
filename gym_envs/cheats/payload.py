"""Cheats that carry data in their code: answers, weights, texts known by heart.

What they carry here is random, so that no packing makes it smaller.
"""

from __future__ import annotations

from base64 import b85encode
from random import Random

from gym_envs.cheats.cheat import REJECTED, Cheat, everywhere

_BYTES, _WIDTH = 160_000, 80
_TEXT = b85encode(Random(0).randbytes(_BYTES)).decode()
_ROWS = "\n".join(f'    "{_TEXT[at : at + _WIDTH]}"' for at in range(0, len(_TEXT), _WIDTH))

CHEATS = (
    Cheat(
        "carries-a-table",
        "Carries 200 kB of text in its code, from which answers could be unpacked.",
        everywhere(
            f"""
import base64
table = (
{_ROWS}
)
cheated(f"carries {{len(base64.b85decode(table)):,}} bytes")
"""
        ),
        ends=REJECTED,
        telling=True,
    ),
)
