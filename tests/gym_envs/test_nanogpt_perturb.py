"""The perturbation of sources: still Python, other words, other order, and all of it secret."""

from __future__ import annotations

import ast
import builtins
import io
import keyword
import sysconfig
import token
import tokenize
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor.data.script import load_script

LIBRARY = Path(sysconfig.get_path("stdlib"))
NAMES = ("wave.py", "sched.py", "plistlib.py", "string.py", "dis.py", "tabnanny.py", "typing.py")
TEXTS = {name: (LIBRARY / name).read_text() for name in NAMES}

perturb = load_script(Path(__file__).parents[2] / "gym_envs" / "nanogpt" / "perturb.py").module


def kinds(text: str) -> Counter[str]:
    """How often each kind of token occurs, operators and keywords by what they are."""
    return Counter(
        part.string if part.type == token.OP or keyword.iskeyword(part.string) else str(part.type)
        for part in tokenize.generate_tokens(io.StringIO(text).readline)
        if part.type not in (token.NL, token.NEWLINE, token.INDENT, token.DEDENT, token.COMMENT)
    )


@pytest.fixture(scope="module")
def others() -> dict[str, str]:
    return perturb.perturbed(TEXTS, "a secret")


@pytest.mark.parametrize("name", NAMES)
def test_what_parsed_parses_and_has_the_same_tokens_but_for_words_and_order(
    others: dict[str, str], name: str
) -> None:
    ast.parse(others[name])
    assert kinds(others[name]) == kinds(TEXTS[name])


def test_a_secret_gives_one_text_and_another_secret_another(others: dict[str, str]) -> None:
    assert perturb.perturbed(TEXTS, "a secret") == others
    again = perturb.perturbed(TEXTS, "another secret")
    assert all(again[name] != others[name] for name in NAMES)


def test_no_line_of_code_with_three_words_of_its_own_is_left(others: dict[str, str]) -> None:
    for name in NAMES:
        telling = {line for line in TEXTS[name].splitlines() if len(perturb.words(line)) > 2}
        assert len(telling) > 50
        assert not telling & set(others[name].splitlines())


def test_every_word_becomes_one_other_of_its_style_and_what_stays_stays() -> None:
    words = {"alpha", "beta_gamma", "Delta", "UPPER", "mixedCase", "_hidden", "x", "17", "2.5"}
    drawers = {
        style: perturb.Drawer([f"{style}{i}" for i in range(9)], perturb.np.random.default_rng(0))
        for style in map(perturb.style, words)
    }
    kept = 'for self in len(cls.__init__): f"{0x1g!r}\\n"\n'.replace("0x1g", "None")
    line = " ".join(sorted(words)) + "\n"
    after = perturb.renamed(line * 2 + kept, drawers, "a secret").splitlines()
    assert after[0] == after[1] and after[2] + "\n" == kept
    for old, new in zip(sorted(words), after[0].split(), strict=True):
        assert new.startswith(perturb.style(old))
    assert len(set(after[0].split())) == len(words)


def test_what_hangs_on_a_statement_and_the_comments_above_it_move_with_it() -> None:
    text = (
        "if a:\n    b\nelif c:\n    d\nelse:\n    e\n"
        "# of f\nf\n"
        "try:\n    g\nexcept h:\n    i\nfinally:\n    j\n"
        "@k\ndef l(): m\n"
        "n; o\n"
        'p = """\n  q\n"""\n'
    )
    parts = {text[:36], "# of f\nf\n", "@k\ndef l(): m\n", "n; o\n", 'p = """\n  q\n"""\n'}
    orders = {perturb.shuffled(text, str(seed)) for seed in range(50)}
    assert len(orders) > 30
    for order in orders:
        assert sorted(order) == sorted(text)
        assert all(part in order for part in parts)
        ast.parse(order)


def test_what_is_no_python_keeps_its_order() -> None:
    assert perturb.shuffled("b\na b c\n", "a secret") == "b\na b c\n"


_NAME = st.sampled_from(
    ["a", "Bc", "de_f", "GHI", "self", "print", "_j", "kL", "__all__", "é", "_"]
)
_ATOM = st.one_of(
    _NAME,
    st.sampled_from(["0", "17", "1.5", "0xFF", "1_000", "1e5", "2j", "3.", "...", "None"]),
    st.sampled_from(
        ['"a\\n\\x41b"', "rb'\\d+a'", 'f"{a!r:>10} b {Bc}"', "'''a\nb'''", 'u"\\N{DASH}"']
    ),
)
_EXPRESSION = st.recursive(
    _ATOM,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda pair: f"({pair[0]} + {pair[1]})"),
        st.tuples(_NAME, inner).map(lambda pair: f"{pair[0]}(\n  {pair[1]}, a={pair[1]})"),
        st.tuples(_NAME, _NAME).map(lambda pair: f"{pair[0]}.{pair[1]}"),
    ),
    max_leaves=4,
)
_SIMPLE = st.one_of(
    st.tuples(_NAME, _EXPRESSION).map(lambda pair: f"{pair[0]} = {pair[1]}  # a Bc 17"),
    st.tuples(_NAME, _EXPRESSION).map(lambda pair: f"{pair[0]}; {pair[1]}"),
    st.just("pass"),
)


def _indented(block: list[str]) -> str:
    return "\n".join(block).replace("\n", "\n    ").join(("    ", ""))


_BLOCK = st.recursive(
    st.lists(_SIMPLE, min_size=1, max_size=4),
    lambda inner: st.lists(
        st.one_of(
            st.tuples(_EXPRESSION, inner, inner).map(
                lambda t: f"if {t[0]}:\n{_indented(t[1])}\nelse:\n{_indented(t[2])}"
            ),
            st.tuples(_NAME, inner).map(lambda t: f"@a\ndef {t[0]}(b):\n{_indented(t[1])}"),
            _SIMPLE,
        ),
        min_size=1,
        max_size=4,
    ),
    max_leaves=8,
)


@given(_BLOCK.map("\n".join), st.text("ab", max_size=3))
def test_any_source_that_parses_still_does(source: str, secret: str) -> None:
    try:
        ast.parse(source)
    except SyntaxError:
        return
    after = perturb.perturbed(
        {"a.py": source, "b.py": "zeta Eta THETA ioTa _k l M 3 2.5\n"}, secret
    )
    ast.parse(after["a.py"])
    stays = {*keyword.kwlist, *dir(builtins), "self", "__all__"}
    before, now = (
        Counter(perturb.re.findall(r"[^\W\d]\w*", text)) for text in (source, after["a.py"])
    )
    assert {word: before[word] for word in stays} == {word: now[word] for word in stays}


@given(st.text())
def test_any_text_is_taken(text: str) -> None:
    assert perturb.perturbed({"a.py": text}, "a secret").keys() == {"a.py"}
