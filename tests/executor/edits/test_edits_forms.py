"""The forms in which edits are written: each is understood, and applied at the right place."""

import pytest

from executor.edits import apply_edits, set_assignments

TRAIN = """\
import math

from model import Model

learning_rate = 1e-3  # peak
name: str = "adam"


def train(steps: int, momentum: float = 0.9) -> float:
    loss = 1.0
    for step in range(steps):
        loss = loss * 0.9

    return loss


def evaluate(steps: int) -> float:
    loss = 1.0
    return loss
"""
MODEL = """\
class Config:
    n_layer: int = 12  # depth
    betas: tuple[float, float] = (0.9, 0.95)
    tied = False
    width = 12 * 64


class Model:
    pass
"""
FILES = {"train.py": TRAIN, "model.py": MODEL, "serve.py": "n_head = 4\n"}


def applied(text: str, files: dict[str, str] = FILES) -> dict[str, str]:
    return apply_edits(
        files, text, editable=["train.py", "model.py", "extra/*.py"], frozen=["serve.py"]
    )


def with_train(old: str, new: str) -> dict[str, str]:
    assert TRAIN.count(old) == 1
    return FILES | {"train.py": TRAIN.replace(old, new)}


# --- unified diffs --------------------------------------------------------------------------------

OLD = "        loss = loss * 0.9"
NEW = "        loss = loss * math.cos(step)"
BODY = f"""\
     for step in range(steps):
-{OLD}
+{NEW}

     return loss
"""
COSINE = with_train(OLD, NEW)
DIFFS = {
    "bare": f"--- a/train.py\n+++ b/train.py\n@@ ... @@\n{BODY}",
    "no prefixes": f"--- train.py\n+++ train.py\n@@ -1,5 +1,5 @@\n{BODY}",
    "one prefix": f"--- a/train.py\n+++ train.py\n@@ -1,5 +1,5 @@\n{BODY}",
    "remarks": f"--- train.py (original)\n+++ train.py\t2026-01-01 10:00:00\n@@\n{BODY}",
    "backup name": f"--- train.py.orig\n+++ train.py\n@@\n{BODY}",
    "only the old name": f"--- a/train.py\n@@ -9 +9 @@\n{BODY}",
    "only the new name": f"+++ b/train.py\n@@ -9 +9 @@\n{BODY}",
    "git line alone": f"diff --git a/train.py b/train.py\nindex 12ab..34cd 100644\n@@ x @@\n{BODY}",
    "function behind the mark": f"--- a/train.py\n+++ b/train.py\n@@ def train @@\n{BODY}",
    "no mark": f"--- a/train.py\n+++ b/train.py\n{BODY}",
    "patch fence": f"Text.\n```patch\n--- a/train.py\n+++ b/train.py\n@@\n{BODY}```\nMore text.",
    "plain fence": f"```\n--- a/train.py\n+++ b/train.py\n@@\n{BODY}```",
    "indented fence": "- so:\n\n"
    + "".join(
        f"  {ln}\n" for ln in f"```diff\n--- train.py\n+++ train.py\n@@\n{BODY}```".split("\n")
    ),
    "name above the fence": f"**train.py**:\n\n```diff\n@@ -3 +3 @@\n{BODY}```",
    "name in the fence": f"```diff train.py\n@@ -3 +3 @@\n{BODY}```",
    "no name": f"```diff\n@@ -3 +3 @@\n{BODY}```",
    "lines alone": f"```diff\n-{OLD}\n+{NEW}\n```",
    "lines alone, with a space": f"```diff\n- {OLD.strip()}\n+ {NEW.strip()}\n```",
    "dot path": f"--- ./train.py\n+++ ./train.py\n@@\n{BODY}",
    "prose behind": f"--- train.py\n+++ train.py\n@@ -3,4 +3,4 @@\n{BODY}\n- A list\n+ of reasons",
    "tabs in the marks": f"--- a/train.py\t\n+++ b/train.py\t\n@@ -1 +1 @@\t\n{BODY}",
    "end mark": f"[Code Changes]\n--- train.py\n+++ train.py\n@@\n{BODY}[End]\ntied: False -> 1",
}


@pytest.mark.parametrize("kind", DIFFS)
def test_a_diff_is_understood(kind: str) -> None:
    assert applied(DIFFS[kind]) == COSINE


def test_several_files_in_several_fences() -> None:
    text = (
        f"First:\n```diff\n--- a/train.py\n+++ b/train.py\n@@\n{BODY}```\nthen:\n```diff\n"
        "--- a/model.py\n+++ b/model.py\n@@\n-    tied = False\n+    tied = True\n"
        "--- /dev/null\n+++ b/extra/new.py\n@@ -0,0 +1,3 @@\n+a = 1\n\n+b = 2\n```\n"
    )
    assert applied(text) == COSINE | {
        "model.py": MODEL.replace("tied = False", "tied = True"),
        "extra/new.py": "a = 1\n\nb = 2\n",
    }


def test_only_what_stands_behind_the_heading_counts() -> None:
    idea = (
        "[Experiment] Change it like this: \nn_layer: 12 -> 24\n[Code Changes] tied: False -> True"
    )
    assert applied(idea)["model.py"] == MODEL.replace("tied = False", "tied = True")
    assert applied("[Code Changes]\nnone\n[Code Changes]\nn_layer: 12 -> 24") == applied(
        "n_layer: 12 -> 24\n\n## Code Changes\nas said above"
    )


def test_a_file_is_deleted_and_renamed() -> None:
    deleted = applied("--- a/train.py\n+++ /dev/null\n@@ -1,2 +0,0 @@\n-import math\n")
    assert deleted == {k: v for k, v in FILES.items() if k != "train.py"}
    renamed = applied(
        "diff --git a/train.py b/extra/fit.py\nsimilarity index 90%\nrename from train.py\n"
        f"rename to extra/fit.py\n--- a/train.py\n+++ b/extra/fit.py\n@@\n{BODY}"
    )
    assert renamed == {**deleted, "extra/fit.py": COSINE["train.py"]}


def test_a_quoted_path_with_a_space_and_an_umlaut() -> None:
    text = '--- "a/extra/gr\\303\\266 sse.py"\n+++ "b/extra/gr\\303\\266 sse.py"\n@@\n-x\n+y\n'
    files = FILES | {"extra/grö sse.py": "x\n"}
    assert applied(text, files)["extra/grö sse.py"] == "y\n"


def test_later_hunks_may_use_what_earlier_ones_wrote() -> None:
    text = (
        "--- a/train.py\n+++ b/train.py\n@@\n import math\n+import os\n@@\n import os\n+import re\n"
    )
    assert applied(text) == with_train("import math\n", "import math\nimport os\nimport re\n")


def test_a_right_line_number_settles_a_tie() -> None:
    def removal(line: int) -> str:
        return (
            "--- a/train.py\n+++ b/train.py\n@@ -1 +1,2 @@\n import math\n+\n"
            f"@@ -{line},1 +9,1 @@\n-    loss = 1.0\n+    loss = 2.0\n"
        )

    lines = TRAIN.split("\n")
    lines[17] = "    loss = 2.0"
    lines.insert(1, "")
    assert applied(removal(18)) == FILES | {"train.py": "\n".join(lines)}


def test_the_ending_of_lines_is_kept() -> None:
    files = FILES | {"train.py": TRAIN.replace("\n", "\r\n")}
    expected = COSINE["train.py"].replace("\n", "\r\n")
    assert applied(DIFFS["bare"], files)["train.py"] == expected
    assert applied(DIFFS["bare"].replace("\n", "\r\n"), files)["train.py"] == expected
    assert applied(DIFFS["bare"].replace("\n", "\r\n")) == COSINE
    block = f"train.py\n<<<<<<< SEARCH\n{OLD}\n=======\n        a\n        b\n>>>>>>> REPLACE"
    after = TRAIN.replace(OLD, "        a\n        b")
    assert applied(block, files)["train.py"] == after.replace("\n", "\r\n")
    assert applied(block.replace("\n", "\r\n"))["train.py"] == after


def test_odd_line_separators_and_tabs_survive() -> None:
    text = "a = 1\nif a:\n\tb = 'x\x0c\x1c\u2028\x85y'\n\tc = 3\n"
    after = applied("--- a/train.py\n+++ b/train.py\n@@\n-\tc = 3\n+\tc = 4\n", {"train.py": text})
    assert after == {"train.py": text.replace("c = 3", "c = 4")}


def test_a_missing_last_line_feed() -> None:
    files = {"train.py": "a\nb"}
    assert applied("train.py\n```diff\n-b\n+c\n+d\n```", files) == {"train.py": "a\nc\nd\n"}
    no_feed = "\\ No newline at end of file\n"
    text = f"--- a/train.py\n+++ b/train.py\n@@ -2 +2 @@\n-b\n{no_feed}+c\n{no_feed}"
    assert applied(text, files) == {"train.py": "a\nc"}
    assert applied("```diff\n b\n+c\n```", files) == {"train.py": "a\nb\nc\n"}


# --- SEARCH/REPLACE -------------------------------------------------------------------------------

BLOCK = """\
<<<<<<< SEARCH
        loss = loss * 0.9
=======
        loss = loss * math.cos(step)
>>>>>>> REPLACE
"""
BLOCKS = {
    "name above": f"train.py\n{BLOCK}",
    "name in bold": f"**train.py**\n{BLOCK}",
    "name with a colon": f"`train.py`:\n\n{BLOCK}",
    "name in a heading": f"### File: `train.py`\n```python\n{BLOCK}```",
    "name in a sentence": f"In `train.py`, replace the decay:\n```python\n{BLOCK}```",
    "name in a list": f"1. **train.py**\n```\n{BLOCK}```",
    "name in the fence": f"```python train.py\n{BLOCK}```",
    "name behind a colon in the fence": f"```python:train.py\n{BLOCK}```",
    "name inside the fence": f"```\ntrain.py\n{BLOCK}```",
    "name in a comment": f"```python\n# train.py\n{BLOCK}```",
    "name behind the mark": BLOCK.replace("SEARCH", "SEARCH train.py"),
    "no name": f"So:\n{BLOCK}",
    "shifted": "train.py\n" + BLOCK.replace("        loss", "loss"),
    "trailing blanks": "train.py\n" + BLOCK.replace("0.9\n", "0.9  \n"),
    "other marks": "train.py\n" + BLOCK.replace("<<<<<<<", "<<<<<").replace("REPLACE", "UPDATED"),
    "indented": "train.py\n" + "".join(f"  {line}\n" for line in BLOCK.split("\n")),
    "CRLF": f"train.py\n{BLOCK}".replace("\n", "\r\n"),
}


@pytest.mark.parametrize("kind", BLOCKS)
def test_a_block_is_understood(kind: str) -> None:
    assert applied(BLOCKS[kind]) == COSINE


def test_a_block_right_behind_another_is_about_the_same_file() -> None:
    second = "<<<<<<< SEARCH\nimport math\n=======\nimport cmath as math\n>>>>>>> REPLACE\n"
    expected = COSINE | {
        "train.py": COSINE["train.py"].replace("import math", "import cmath as math")
    }
    files, expected = (
        FILES | {"model.py": "import math\n"},
        expected | {"model.py": "import math\n"},
    )
    assert applied(f"train.py\n{BLOCK}\n{second}", files) == expected
    assert applied(f"train.py\n```\n{BLOCK}```\n\n```\n{second}```", files) == expected


def test_an_empty_search_part_makes_a_new_file() -> None:
    text = "extra/new.py\n```python\n<<<<<<< SEARCH\n=======\na = 1\n\n```\n>>>>>>> REPLACE\n```"
    assert applied(text) == FILES | {"extra/new.py": "a = 1\n\n```\n"}


def test_an_empty_replace_part_removes_the_lines() -> None:
    text = "train.py\n<<<<<<< SEARCH\nfrom model import Model\n\n=======\n>>>>>>> REPLACE\n"
    assert applied(text) == with_train("from model import Model\n\n", "")


def test_a_block_may_hold_lines_that_look_like_a_divider() -> None:
    files = {"train.py": "title\n=====\ntext\n"}
    text = "<<<<<<< SEARCH\ntitle\n=====\n=======\nTitle\n=====\n>>>>>>> REPLACE"
    assert applied(text, files) == {"train.py": "Title\n=====\ntext\n"}


def test_a_file_without_a_name_is_the_only_editable_one() -> None:
    files = {"train.py": "a = 1\n", "serve.py": "a = 1\n"}
    text = "<<<<<<< SEARCH\na = 1\n=======\na = 2\n>>>>>>> REPLACE"
    assert applied(text, files) == files | {"train.py": "a = 2\n"}


# --- assignments ----------------------------------------------------------------------------------

RATE = with_train("= 1e-3  # peak", "= 0.003  # peak")
ASSIGNMENTS = [
    "learning_rate: 0.001 -> 0.003",
    "learning_rate = 1e-3 -> 0.003",
    "learning_rate: float = 1e-3 -> 0.003",
    "- `learning_rate`: 0.001 → 0.003",
    "* **learning_rate**: `0.001` => `0.003`",
    "1. learning_rate: 0.001 -> 0.003 (higher)",
    "`learning_rate: 0.001 -> 0.003`  # as in the paper",
    "learning_rate: 0.001 -> 0.003, since the budget is short.",
    "```\nlearning_rate: 0.001 -> 0.003\n```",
    "learning_rate: 0.001 -> 0.003\nand again:\nlearning_rate: 0.001 -> 0.003",
    "learning_rate: 0.001 -> 0.003\r\n",
]


@pytest.mark.parametrize("text", ASSIGNMENTS)
def test_an_assignment_is_understood(text: str) -> None:
    assert applied(text) == RATE


@pytest.mark.parametrize(
    ("text", "path", "old", "new"),
    [
        (
            "n_layer: 12 -> 24.",
            "model.py",
            "n_layer: int = 12  # depth",
            "n_layer: int = 24  # depth",
        ),
        ("betas: (0.9, 0.95) -> (0.9, 0.99) (slower)", "model.py", "(0.9, 0.95)", "(0.9, 0.99)"),
        ("tied: False -> True", "model.py", "tied = False", "tied = True"),
        ("name: 'adam' -> \"a -> b # c\"", "train.py", '"adam"', '"a -> b # c"'),
        ('name: "adam" -> None', "train.py", '"adam"', "None"),
        ("momentum: 0.9 -> 0.95", "train.py", "momentum: float = 0.9", "momentum: float = 0.95"),
        ("learning_rate: 0.001 -> -1.", "train.py", "= 1e-3", "= -1."),
    ],
)
def test_only_the_text_of_the_value_changes(text: str, path: str, old: str, new: str) -> None:
    assert applied(text) == FILES | {path: FILES[path].replace(old, new)}


def test_values_behind_other_characters_and_over_several_lines() -> None:
    files = {"train.py": "ä = 'ö'; rate = 1  # ü\r\nx = (\r\n    1,\r\n    2,\r\n)\r\n"}
    after = applied("rate: 1 -> 2\nx: (1, 2) -> (3, 4)", files)
    assert after == {"train.py": "ä = 'ö'; rate = 2  # ü\r\nx = (3, 4)\r\n"}


def test_all_forms_in_one_idea() -> None:
    text = (
        f"learning_rate: 0.001 -> 0.003\n\ntrain.py\n{BLOCK}\n"
        "--- a/model.py\n+++ b/model.py\n@@\n-class Model:\n+class Net:\n"
    )
    assert applied(text) == {
        "train.py": COSINE["train.py"].replace("1e-3", "0.003"),
        "model.py": MODEL.replace("class Model", "class Net"),
        "serve.py": FILES["serve.py"],
    }


def test_setting_assignments_resizes_a_codebase() -> None:
    values = {"n_layer": 2, "learning_rate": 0.01, "name": "sgd", "betas": [0.8, 0.9], "n_head": 1}
    after = set_assignments(FILES, values, ["*.py"])
    assert after["model.py"] == MODEL.replace("= 12  #", "= 2  #").replace(
        "(0.9, 0.95)", "(0.8, 0.9)"
    )
    assert after["train.py"] == TRAIN.replace("1e-3", "0.01").replace('"adam"', "'sgd'")
    assert after["serve.py"] == "n_head = 1\n"
