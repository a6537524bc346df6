r"""Is a response right? The same grader rewards training and, in the examiner's hands, examines.

    grade("35846>6.", "6", tiny=True)                                  # True
    grade("... </think> <answer>\frac12</answer>", "0.5", tiny=False)   # True

A mathematical answer is what the last <answer> holds, or without one the last \boxed{}; inside
either, a \boxed{} is opened. It is right when math-verify finds it equal to the reference.
"""

import re

# Nobody's answer is longer, and what follows costs time that grows with the length.
LONGEST_ANSWER = 300
# A tower of powers, or a power of many digits, would be computed digit by digit.
HUGE = re.compile(r"(\^[^+=,]*){3}|\^\s*\{?\s*\(?-?\d{4}|\d{40}|!.*!|\d{4}\s*!")

BASE = re.compile(r"(?<=\d)_\{?(\d+)")


def grade(response: str, reference: str, *, tiny: bool) -> bool:
    if tiny:
        _, begun, result = response.rpartition(">")
        return bool(begun) and result == f"{reference}."
    answer = final_answer(response)
    return answer is not None and equal(answer, reference)


def final_answer(response: str) -> str | None:
    """The answer that a response ends in; None where there is none."""
    tagged = response.rpartition("<answer>")
    if tagged[1]:
        inside = tagged[2].partition("</answer>")[0]
        return (last_boxed(inside) or inside).strip() or None
    return last_boxed(response)


def last_boxed(text: str) -> str | None:
    r"""What stands in the last \boxed{}, its braces counted; None where there is none."""
    start = max(text.rfind("\\boxed"), text.rfind("\\fbox"))
    if start < 0:
        return None
    opening = re.compile(r"\\(?:boxed|fbox)\s*(\{)?").match(text, start)
    assert opening
    if not opening[1]:  # \boxed 5
        return text[opening.end() :].split("$")[0].strip() or None
    depth = 1
    for place in range(opening.end(), len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return text[opening.end() : place].strip() or None
    return None


def equal(answer: str, reference: str) -> bool:
    """Whether two answers mean the same. Raises SystemExit where math-verify is missing."""
    if len(answer) > LONGEST_ANSWER:
        return False
    if _plain(answer) == _plain(reference):
        return True
    # math-verify reads past the base of a number such as 52_8
    bases, said_bases = BASE.findall(_plain(reference)), BASE.findall(_plain(answer))
    if HUGE.search(answer) or (said_bases and said_bases != bases):
        return False
    try:
        from math_verify import LatexExtractionConfig, parse, verify
    except ImportError:
        raise SystemExit("no math-verify here: pip install 'ideator-rl[grpo]'") from None
    # LaTeX only: its reader of plain expressions evaluates them as Python.
    read = [LatexExtractionConfig(boxed_match_priority=0)]
    gold, said = (
        parse(f"\\boxed{{{text}}}", extraction_config=read, fallback_mode="no_fallback")
        for text in (reference, answer)
    )
    return bool(gold and said) and verify(gold, said)


def _plain(text: str) -> str:
    r"""Without what changes only the looks: spaces, dollars, \left and \right, \dfrac, \text."""
    text = re.sub(r"\\(?:left|right|displaystyle|[$,;:! ])|[\s$~]", "", text)
    text = re.sub(r"\\[dt]frac", r"\\frac", text)
    text = re.sub(r"\\(?:text|mathrm|textbf|mbox)\{([^{}]*)\}", r"\1", text)
    return text.rstrip(".")
