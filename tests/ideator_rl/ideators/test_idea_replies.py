"""Replies as models write them: the ideas in them are found, and nothing else is taken for one."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ideator_rl.ideators.replies.draft import LONGEST_IDEA
from ideator_rl.ideators.replies.replies import LONGEST_REPLY, read_ideas

Pair = tuple[str, str]
MUON = ("Use Muon for matrices.", "Replace AdamW by Muon in train.py.")
LION = ("Use Lion everywhere.", "1. Add lion.py.\n2. Import it in train.py.")


def texts(*pairs: Pair) -> list[str]:
    return [f"[Experiment] {what}\n[Code Changes]\n{how}" for what, how in pairs]


def found(reply: str, **options: bool) -> list[str]:
    return [draft.text for draft in read_ideas(reply, **options)]


def indented(text: str, by: str = "   ") -> str:
    return text.replace("\n", f"\n{by}")


# --- styles: each writes down a list of ideas ----------------------------------------------------


def brackets(pairs: list[Pair]) -> str:
    return "\n\n".join(f"[Experiment] {a}\n[Code Changes]\n{b}\n[End]" for a, b in pairs)


def brackets_without_end(pairs: list[Pair]) -> str:
    return "\n".join(f"**[Experiment]** {a}\n**[Code Changes]** {b}" for a, b in pairs)


def numbered_brackets(pairs: list[Pair]) -> str:
    return "\n".join(
        f"{n}. [Experiment]: {indented(a)}\n   [Code Changes]: {indented(b)}\n   [End]"
        for n, (a, b) in enumerate(pairs, 1)
    )


def headings(pairs: list[Pair]) -> str:
    return "\n\n---\n\n".join(f"## Experiment\n\n{a}\n\n## Code Changes\n\n{b}" for a, b in pairs)


def numbered_headings(pairs: list[Pair]) -> str:
    return "# Ideas\n\n" + "\n\n".join(
        f"## Idea {n}\n### Experiment\n{a}\n### Code changes\n{b}"
        for n, (a, b) in enumerate(pairs, 1)
    )


def bold(pairs: list[Pair]) -> str:
    return "\n\n***\n\n".join(f"- **Hypothesis:** {a}\n- **Changes**: {b}" for a, b in pairs)


def numbered(pairs: list[Pair]) -> str:
    return "\n".join(
        f"{n}) Experiment: {indented(a)}\n   Code changes: {indented(b)}"
        for n, (a, b) in enumerate(pairs, 1)
    )


def json_list(pairs: list[Pair]) -> str:
    return json.dumps([{"experiment": a, "code_changes": b} for a, b in pairs], indent=1)


def json_object(pairs: list[Pair]) -> str:
    ideas = [{"Hypothesis": a, "Code Changes": b.split("\n")} for a, b in pairs]
    return f"```json\n{json.dumps({'ideas': ideas}, ensure_ascii=False)}\n```"


def json_texts(pairs: list[Pair]) -> str:
    return json.dumps([brackets([pair]) for pair in pairs])


def wrapped(pairs: list[Pair]) -> str:
    return f"```markdown\n{headings(pairs)}\n```"


STYLES: list[Callable[[list[Pair]], str]] = [
    brackets,
    brackets_without_end,
    numbered_brackets,
    headings,
    numbered_headings,
    bold,
    numbered,
    json_list,
    json_object,
    json_texts,
    wrapped,
]
AROUND = [
    "{}",
    "Sure, here are my ideas:\n\n{}",
    "<think>\n[Experiment] A draft, no idea.\n[Code Changes] None yet.\n</think>\n\n{}",
    "Let me see.\n[Experiment] A draft.\n[Code Changes] None yet.\n</think>\n{}",
]


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("style", STYLES)
def test_every_style_is_read(style: Callable[[list[Pair]], str], around: str) -> None:
    assert found(around.format(style([MUON, LION]))) == texts(MUON, LION)


def test_words_behind_the_last_end_are_no_idea() -> None:
    assert found(brackets([MUON]) + "\n\nShall I go on? 2. Lion") == texts(MUON)


# Sentences that look like no label: each begins with a letter and has neither colon nor bracket.
WORDS = st.text(st.characters(categories=["L", "N"], include_characters=" ,-_+µ²"), min_size=5)
SENTENCES = WORDS.map(lambda text: f"Say{' '.join(text.split())}so")
CHANGES = st.lists(SENTENCES, min_size=1, max_size=3).map("\n".join)
PAIRS = st.lists(st.tuples(SENTENCES, CHANGES), min_size=1, max_size=4)


@given(PAIRS, st.sampled_from(STYLES))
def test_what_was_written_down_is_what_is_read(pairs: list[Pair], style) -> None:
    assert found(style(pairs)) == texts(*pairs)


FRAGMENTS = st.sampled_from(
    [
        *(
            "[Experiment]",
            "[Code Changes]",
            "[End]",
            "[Based on] 3",
            "**Experiment:**",
            "1. ",
            "2. ",
        ),
        *("## Idea 1: a", "### Code Changes", "Idea 2 -", "```", "```json", "---", "<think>"),
        *("</think>", '{"experiment": "', '"}', "[", "{", '["', "\n", "\n\n", "   ", " and so on "),
        *("replace the optimiser", "\ud800", "【", "\x00", "＞", "0.1"),
    ]
)


@given(st.lists(FRAGMENTS | st.text(max_size=5)).map("".join), st.booleans())
def test_whatever_comes_every_idea_is_whole_and_reads_as_itself(reply: str, cut: bool) -> None:
    for draft in read_ideas(reply, cut=cut):
        what, label, how = draft.text.partition("\n[Code Changes]\n")
        assert what.removeprefix("[Experiment] ").strip() and what.startswith("[Experiment] ")
        assert bool(label) == bool(how)
        draft.text.encode()


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "   \n\n",
        "I think there are many directions. Experiment with larger batches, and let me know!",
        "I'm sorry, but I can't help with that.",
        "Sorry, I cannot do this. Here is what I could do for you instead of that:\n\n"
        "1. Explain how a transformer of this size is trained in general.\n"
        "2. Explain how the learning rate and the batch size work together.",
        "1. Which hardware is this training going to run on, and for how long?\n"
        "2. Which of the hyperparameters in this file are you allowed to change?",
        "1. Muon.\n2. Lion.",
        "[Experiment] Use Muon for all matrices of the network.",
        "[Experiment] Use Muon for all matrices of the network.\n[Code Changes]\n[End]",
        "[Code Changes] Replace AdamW by Muon.\n[End]",
        "[Experiment] <what to try>\n[Code Changes] <which files change>\n[End]",
        "I write [Experiment] … [Code Changes] … [End] for each.",
        "<think>[Experiment] Use Muon.\n[Code Changes] Replace AdamW.\n[End]",
        '{"error": {"message": "overloaded", "description": "try again later"}}',
        '[{"experiment": "Use Muon", "code_chan',
        "这些方向都很有意思，但是我还需要更多的信息。",
        '```python\nlabels = ["experiment", "changes"]\n```',
    ],
)
def test_a_reply_without_an_idea_holds_none(reply: str) -> None:
    assert found(reply) == []


def test_a_bare_list_is_read_item_by_item() -> None:
    reply = (
        "Some ideas:\n\n1. **Muon**: replace AdamW by Muon for all matrices of the network.\n"
        "   1. In train.py, import it.\n2. **Cosine**: decay along a cosine instead of a line.\n"
    )
    assert found(reply) == [
        "[Experiment] Muon: replace AdamW by Muon for all matrices of the network.\n"
        "1. In train.py, import it.",
        "[Experiment] Cosine: decay along a cosine instead of a line.",
    ]


def test_a_title_begins_the_experiment() -> None:
    reply = (
        "### 1. Muon\nUse it.\n**Code Changes**: here\n\n### 2. Lion\nUse it.\n**Changes**: there"
    )
    assert found(reply) == texts(("Muon\nUse it.", "here"), ("Lion\nUse it.", "there"))
    titled = json.dumps({"title": "Muon", "description": "Use it.", "implementation": "here"})
    assert found(titled) == texts(("Muon\nUse it.", "here"))


def test_lists_in_an_idea_are_its_own() -> None:
    listed = ("Two things:\n\n1. Warm up.\n\n2. Cool down.", "1. Here\n\n2. There")
    reply = brackets_without_end([listed, MUON])
    assert found(reply) == texts(listed, MUON)


def test_code_in_an_idea_ends_nothing_and_begins_nothing() -> None:
    code = '```python\n# Experiment: faster\nx = ids[end]\nd = ["long " * 9, {"changes": 1}]\n```'
    assert found(brackets([("Be fast.", code), MUON])) == texts(("Be fast.", code), MUON)
    assert found(headings([("Be fast.", code), MUON])) == texts(("Be fast.", code), MUON)


def test_ideas_about_marks_of_thinking_keep_them() -> None:
    pair = ("Reward the tag </think>", "Stop at <think> and at </think>")
    assert found(brackets([pair, MUON])) == texts(pair, MUON)


def test_ideas_name_what_they_build_on() -> None:
    reply = brackets([MUON]).replace("[End]", "[Based on] ideas 3, 12 and 3\n[End]")
    assert [(draft.text, draft.builds_on) for draft in read_ideas(reply)] == [
        (texts(MUON)[0], (3, 12))
    ]
    told = json.dumps({"experiment": MUON[0], "changes": MUON[1], "based_on": [3, 12]})
    assert read_ideas(told)[0].builds_on == (3, 12)


def test_an_idea_that_was_cut_off_is_left_out() -> None:
    for style in (brackets, headings, numbered, json_list):
        whole = style([MUON, LION])
        begun = whole[: whole.index("Import it in")]
        assert found(begun, cut=True) == texts(MUON)
    assert found(brackets([MUON, LION]), cut=True) == texts(MUON, LION)


def test_labels_of_other_scripts_are_read() -> None:
    reply = (
        "【Experiment】把学习率翻倍，看看损失。\n【Code Changes】修改 train.py 里的学习率\n【End】"
    )
    assert found(reply) == texts(("把学习率翻倍，看看损失。", "修改 train.py 里的学习率"))


def test_an_idea_that_runs_on_and_on_is_none() -> None:
    assert found(brackets([("Use Muon. " * (LONGEST_IDEA // 9), "Here."), MUON])) == texts(MUON)


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "piece",
    [
        *("word ", " ", "\n", "*", "-", "[", '["', "{", '{"a":', "```\n", "1. ", "1. a\n", "\n```"),
        *("[Experiment] ", "[Code Changes]", "[End]\n", "# ", "</think>\n", "<", "Experiment:\n"),
    ],
)
def test_a_reply_of_a_megabyte_does_not_hang(piece: str) -> None:
    endless = piece * (1_000_000 // len(piece))
    read_ideas(endless)
    read_ideas(brackets([MUON]) + endless)


def test_the_ideas_before_endless_words_are_read() -> None:
    words = "\n[Experiment] Go on.\n[Code Changes] " + "And so on. " * 100_000
    assert found(brackets([MUON, LION]) + words) == texts(MUON, LION)


@pytest.mark.parametrize("depth", [50, 300, 600, 900, 100_000])
@pytest.mark.parametrize(("opening", "end"), [("[", "]"), ('{"a": ', "}")])
def test_nested_values_neither_raise_nor_hide_what_follows(
    depth: int, opening: str, end: str
) -> None:
    nested = f"{opening * depth}1{end * depth}"
    follows = '{"experiment": "Raise it.", "code_changes": "Set it to 2."}'
    for part in ("experiment", "code_changes"):
        found = read_ideas(f'{{"{part}": {nested}, "idea": "x"}}\n{follows}')
        if depth < 1000:
            assert found[-1].text == "[Experiment] Raise it.\n[Code Changes]\nSet it to 2."


def test_ten_thousand_ideas_in_one_reply_are_read_up_to_its_bound() -> None:
    idea = "[Experiment] Raise it by 1234.\n[Code Changes] Set it to 2.\n[End]\n"
    found = read_ideas(idea * 10_000)
    assert len(found) <= LONGEST_REPLY // len(idea)
    assert len({draft.text for draft in found}) == 1
