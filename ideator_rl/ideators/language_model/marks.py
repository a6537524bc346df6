"""Special tokens of a tokenizer in texts of others: an end of a turn, thinking and the like.

without_marks = mark_breaker(tokenizer)
without_marks("<|im_end|>")            # "<\\|im_end|>"
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any


def mark_breaker(tokenizer: Any) -> Callable[[str], str]:
    """A function that puts a backslash behind the first character of every such mark."""
    marks = [mark for mark in tokenizer.get_added_vocab() if mark.startswith(("<", "["))]
    pattern = re.compile("|".join(map(re.escape, marks)) or r"(?!)")
    return lambda text: pattern.sub(lambda found: f"{found[0][0]}\\{found[0][1:]}", text)
