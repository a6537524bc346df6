"""What a card can do at most, from the makers' data sheets.

>>> bfloat16_peak("NVIDIA H100 80GB HBM3")
989500000000000.0
>>> bfloat16_peak("NVIDIA H100 PCIe")
756000000000000.0
>>> bfloat16_peak("Some other card") is None
True
"""

from __future__ import annotations

# Dense bfloat16 operations a second; the first whose words are all in the name counts. Powers are
# those of the standard card: a lowered limit lowers what can be reached.
_PEAKS = (
    (("H100", "PCIe"), 756e12),
    (("H100", "NVL"), 835.5e12),
    (("H200", "NVL"), 835.5e12),
    (("H100",), 989.5e12),
    (("H200",), 989.5e12),
    (("A100",), 312e12),
    (("L40S",), 362e12),
    (("4090",), 165.2e12),
)


def bfloat16_peak(card: str) -> float | None:
    """Operations a second of the matrix units; None for a card that is not in the table."""
    return next((peak for words, peak in _PEAKS if all(word in card for word in words)), None)
