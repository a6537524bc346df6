"""Lines such as `# ... existing code ...`, which stand for code that a writer has left out."""

import re

LONGEST = 200  # characters of such a line
OMISSION = re.compile(
    r"(?:#|//)?\s*[\[(<]?(?:\.{3}|…)"
    r"(?:$|.*\b(?:existing|rest|remain\w*|unchanged|same|other|previous|omit\w*|as before)\b"
    r"|.*(?:省略|不变|其余|保持|原有))"
    r"|(?:#|//)\s*(?:\(|the )*(?:rest|remainder|remaining)\b.*"
    r"\b(?:same|unchanged|as before|here|omitted)\b",
    re.IGNORECASE,
)


def is_omission(line: str, above: str = "") -> bool:
    """Whether a line stands for others. Below a line that ends in a colon, `...` is Python."""
    text = line.strip()
    if text == "..." and above.rstrip().endswith(":"):
        return False
    return len(text) <= LONGEST and OMISSION.match(text) is not None
