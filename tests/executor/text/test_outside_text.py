"""No text from outside reaches a person or a prompt with a character that cannot be seen."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor.text.outside_text import MORE, MOST_MARKS, clean_line, clean_text

# Visible although of category Cf: signs before numbers, and a Syriac mark over a word.
SIGNS = {*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD}
JOINERS = "\u200c\u200d\u180e"
SELECTORS = {*map(chr, range(0xFE00, 0xFE10)), "\u180b", "\u180c", "\u180d", "\u180f"}
IN_WORDS = {*JOINERS, *SELECTORS}
UNSEEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}

HOSTILE = st.text(
    st.one_of(
        st.sampled_from(
            [*"\x00\x07\x1b\x7f\x9b\r\n\t `#a[]é汉\u202e\u2066\u200b\u2028\ufeff\u0301"]
        ),
        st.sampled_from([*JOINERS, "\ufe0f", "\u180b", "\U0001f469", "\U000e0041", "\ud800"]),
        st.characters(exclude_categories=()),
    ),
    max_size=80,
)
CLEANERS = pytest.mark.parametrize("clean", [clean_text, clean_line])
Cleaner = Callable[[str, int], str]


def _hidden(text: str) -> list[str]:
    """The characters of a text that nobody sees, line feeds, tabs and what words need left out."""
    return [
        char
        for char in text
        if unicodedata.category(char) in UNSEEN
        and char not in "\n\t"
        and char not in IN_WORDS
        and ord(char) not in SIGNS
    ]


@CLEANERS
def test_every_character_that_cannot_be_seen_is_written_out(clean: Cleaner) -> None:
    for point in range(sys.maxunicode + 1):
        char = chr(point)
        if unicodedata.category(char) in UNSEEN and point not in SIGNS and char not in " \t\r\n":
            assert clean(f"a{char}b", 99).isascii(), hex(point)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x1b]0;title\x07", r"\x1b[2J\x1b]0;title\x07"),
        ("\x9b31m\x7f", r"\x9b31m\x7f"),
        ("a\u202eb\u2066c", r"a\u202eb\u2066c"),
        ("pass\u200bword", r"pass\u200bword"),
        ("one\u2028two\x85three", r"one\u2028two\x85three"),
        ("\ud83d!", r"\ud83d!"),
        ("\U000e0049gnore", r"\U000e0049gnore"),
        (r"C:\x1b is a path", r"C:\x1b is a path"),
    ],
)
def test_what_is_written_out_is_as_python_writes_it(text: str, shown: str) -> None:
    assert clean_line(text, 200) == shown
    assert clean_text(text, 200) == shown


@pytest.mark.parametrize(
    "text",
    [
        "می\u200cخواهم",
        "क्\u200dष",
        "\U0001f469\u200d\U0001f52c",
        "❤\ufe0f\u200d\U0001f525",
        "ᠠ\u180b",
        "größer, 更大, αβγ, ﷽, \u0600\u0661",
    ],
)
def test_words_keep_what_their_scripts_need(text: str) -> None:
    assert clean_line(text, 200) == text


def test_joiners_and_selectors_between_latin_letters_are_written_out() -> None:
    assert clean_line("ign\u200dore\ufe0f", 200) == r"ign\u200dore\ufe0f"
    assert clean_line("汉\ufe0f\ufe0e\ufe0f", 200) == "汉\ufe0f\\ufe0e\\ufe0f"


def test_marks_do_not_pile_up() -> None:
    shown = clean_line("e" + "\u0301" * 1000, 10_000)
    assert shown.count("\u0301") == MOST_MARKS
    assert shown.count(r"\u0301") == 1000 - MOST_MARKS


def test_text_keeps_its_lines_and_tabs_and_a_line_has_none() -> None:
    assert clean_text("a\r\n\tb\rc\n", 99) == "a\n\tb\nc\n"
    assert clean_line(" a\r\n\tb\rc\n", 99) == "a b c"


def test_what_is_cut_off_leaves_a_mark() -> None:
    assert clean_text("abcdef", 4) == clean_line("abcdef", 4) == f"abc{MORE}"
    assert clean_text("a\r\n" * 50, 50).endswith(MORE)
    assert clean_line("a" + " " * 1000 + "b", 10) == f"a{MORE}"


@CLEANERS
@given(text=HOSTILE, limit=st.integers(1, 200))
def test_nothing_hidden_is_left_and_the_length_is_bounded(
    clean: Cleaner, text: str, limit: int
) -> None:
    shown = clean(text, limit)
    assert not _hidden(shown)
    assert len(shown) <= limit
    shown.encode()
    if clean is clean_line:
        assert shown == " ".join(shown.split(" ")).strip(" ")
        assert not {"\n", "\t"} & set(shown)
    for before, char, after in zip(" " + shown, shown, shown[1:] + " ", strict=False):
        if char in IN_WORDS:
            assert not before.isascii()
            assert char in SELECTORS or not after.isascii()


@CLEANERS
@given(text=HOSTILE, limit=st.integers(1, 200))
def test_cleaning_twice_changes_nothing(clean: Cleaner, text: str, limit: int) -> None:
    once = clean(text, limit)
    assert clean(once, limit) == once


@given(HOSTILE)
def test_uncut_text_grows_by_no_more_than_its_escapes(text: str) -> None:
    assert len(clean_text(text, 10 * len(text) + 1)) <= 10 * len(text)


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=200))
def test_printable_ascii_stays_as_it_is(text: str) -> None:
    assert clean_text(text, 200) == text
