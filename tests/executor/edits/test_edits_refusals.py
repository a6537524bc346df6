"""What is refused, and whether the message lets a language model repair its edit."""

import pytest

from executor.edits import EditError, ForbiddenEdit, apply_edits, set_assignments

TRAIN = """\
rate = 0.1
size = 4 * 8


def train(steps):
    loss = 1.0
    for step in range(steps):
        loss = loss * rate
    return loss


def test(steps):
    loss = 1.0
    return loss
"""
FILES = {
    "train.py": TRAIN,
    "model.py": "depth = 2\nwidth = 8\nboth = 1\n",
    "other.py": "both = 1\n",
    "serve.py": "heads = 4\n",
    "notes/a.txt": "nothing\n",
}
EDITABLE = ["train.py", "model.py", "other.py", "serve.py", "lib/**"]
FROZEN = ["serve.py", "lib/Fixed"]


def refusal(text: str, files: dict[str, str] = FILES) -> EditError:
    before = dict(files)
    with pytest.raises(EditError) as caught:
        apply_edits(files, text, editable=EDITABLE, frozen=FROZEN)
    assert files == before
    assert "Traceback" not in str(caught.value)
    return caught.value


def diff(path: str, body: str, mark: str = "@@") -> str:
    return f"--- a/{path}\n+++ b/{path}\n{mark}\n{body}"


def block(old: str, new: str) -> str:
    return f"<<<<<<< SEARCH\n{old}\n=======\n{new}\n>>>>>>> REPLACE\n"


REFUSALS = {
    "no edit": ("Make it better.", ["no code edit found", "SEARCH/REPLACE"]),
    "unchanged": (
        f"train.py\n{block('rate = 0.1', 'rate = 0.1')}",
        ["leave the codebase unchanged"],
    ),
    "too long": ("x" * 1_000_001, ["1,000,001 characters"]),
    "lone surrogate": ("rate: 0.1 -> 0.2 \ud800", ["surrogates"]),
    "not found": (
        diff("train.py", "     loss = 1.0\n-    while step < steps:\n+    while True:\n"),
        ["train.py: hunk 1 (line 3 of the idea)", "`    while step < steps:`", "7 |     for step"],
    ),
    "nothing like it": (diff("train.py", "-zebra()\n+x\n"), ["no line like `zebra()`"]),
    "nearest line": (
        f"train.py\n{block('        loss = loss * rates', 'pass')}",
        ["block 1 (line 2 of the idea)", "nearest lines", "8 |         loss = loss * rate"],
    ),
    "misquoted removed line": (
        diff(
            "train.py", "     for step in range(steps):\n-        loss = loss - rate\n+        x\n"
        ),
        ["where the file has", "8 |         loss = loss * rate"],
    ),
    "ambiguous": (
        diff("train.py", "     loss = 1.0\n+    x = 1\n"),
        ["hunk 1", "matches 2 places: lines 6, 13", "quote more"],
    ),
    "ambiguous, wrong line number": (
        diff("train.py", "     loss = 1.0\n+    x = 1\n", "@@ -7,1 +7,2 @@"),
        ["matches 2 places"],
    ),
    "no context": (
        diff("train.py", "+x = 1\n", "@@ -3,0 +4,1 @@"),
        ["quotes nothing", "unchanged"],
    ),
    "blank context": (diff("train.py", " \n+x = 1\n"), ["train.py: hunk 1"]),
    "file exists": (
        "--- /dev/null\n+++ b/model.py\n@@ -0,0 +1 @@\n+x\n",
        ["model.py", "there already"],
    ),
    "empty search, file exists": (f"model.py\n{block('', 'x')}", ["model.py", "there already"]),
    "empty search, no name": (f"So:\n{block('', 'x')}", ["block 1", "names no file"]),
    "no such file": (diff("lib/tain.py", "-x\n+y\n"), ["lib/tain.py", "no such file"]),
    "delete what is not there": ("--- a/lib/x.py\n+++ /dev/null\n@@\n-x\n", ["no such file"]),
    "new lines in a deleted file": (
        "--- a/model.py\n+++ /dev/null\n@@\n-x\n+y\n",
        ["deleted file"],
    ),
    "new file without plus": (
        "--- /dev/null\n+++ b/lib/x.py\n@@\n+a\n b\n",
        ["start with +", "'b'"],
    ),
    "file as folder": (
        "--- /dev/null\n+++ b/lib/x/y\n@@\n+a\n--- /dev/null\n+++ b/lib/x\n@@\n+a\n",
        ["file and folder"],
    ),
    "two names": ("--- a/model.py\n+++ b/lib/m.py\n@@\n-x\n+y\n", ["two files", "model.py"]),
    "rename onto a file": (
        "diff --git a/model.py b/train.py\nrename from model.py\nrename to train.py\n",
        ["there already"],
    ),
    "binary": ("diff --git a/lib/x b/lib/x\nBinary files a/lib/x and b/lib/x differ\n", ["binary"]),
    "block not closed": ("train.py\n<<<<<<< SEARCH\nx\n=======\ny\n", ["block 1", "REPLACE"]),
    "block in a block": (f"<<<<<<< SEARCH\nx\n{block('x', 'y')}", ["block 1", "not closed"]),
    "no divider": ("<<<<<<< SEARCH\nx\n>>>>>>> REPLACE", ["0 dividers", "======="]),
    "two dividers": ("<<<<<<< SEARCH\nx\n=======\n=======\n>>>>>>> REPLACE", ["2 dividers"]),
    "in two files": (block("both = 1", "both = 2"), ["model.py, other.py", "file's name"]),
    "in no file": (block("zebra = 1", "zebra = 2"), ["in no file"]),
    "other value": ("rate: 0.2 -> 0.3", ["`rate` is 0.1 in train.py line 1", "`rate: 0.1 -> 0.3`"]),
    "bool for int": ("both: True -> False", ["assigned in 2 places"]),
    "assigned twice": ("loss: 1.0 -> 2.0", ["2 places: train.py line 6, train.py line 13"]),
    "assigned an expression": ("size: 32 -> 64", ["expression", "train.py line 2"]),
    "not assigned": ("speed: 1 -> 2", ["`speed` is not assigned"]),
    "new value is no literal": (
        "rate: 0.1 -> cosine(step)",
        ["`cosine(step)`", "not a Python literal"],
    ),
    "too many": ("\n".join(f"rate: {n} -> {n + 1}" for n in range(200)), ["more than"]),
}


@pytest.mark.parametrize("kind", REFUSALS)
def test_what_cannot_be_applied_is_refused_with_a_reason(kind: str) -> None:
    text, phrases = REFUSALS[kind]
    error = refusal(text)
    assert not isinstance(error, ForbiddenEdit)
    for phrase in phrases:
        assert phrase in str(error)


@pytest.mark.parametrize(
    ("path", "phrase"),
    [
        ("serve.py", "serve.py is frozen"),
        ("./serve.py", "serve.py is frozen"),
        ("lib/fixed/x.py", "frozen"),
        ("notes/a.txt", "editable files are train.py, model.py"),
        ("src/train.py", "did you mean train.py?"),
        ("../train.py", "'../train.py'"),
        ("lib/../../x.py", "'lib/../../x.py'"),
        ("lib//x.py", "plain path"),
        ("lib/.git/hooks/x", "plain path"),
        ("/etc/passwd", "outside the codebase"),
        ("C:/x.py", "outside the codebase"),
        ("lib\\x.py", "outside the codebase"),
        ("lib/a\x00.py", "outside the codebase"),
        ("~/x.py", "outside the codebase"),
        ("lib/" + "x" * 300, "plain path"),
    ],
)
@pytest.mark.parametrize("form", ["edit", "create", "delete", "block", "rename"])
def test_forbidden_paths(path: str, phrase: str, form: str) -> None:
    text = {
        "edit": f"--- a/{path}\n+++ b/{path}\n@@\n-heads = 4\n+heads = 5\n",
        "create": f"--- /dev/null\n+++ b/{path}\n@@\n+x\n",
        "delete": f"--- a/{path}\n+++ /dev/null\n@@\n-x\n",
        "block": f"`{path}`\n{block('heads = 4', 'heads = 5')}",
        "rename": f"diff --git a/model.py b/{path}\nrename from model.py\nrename to {path}\n",
    }[form]
    if form == "block" and len(path) > 300:
        pytest.skip("too long for a heading")
    error = refusal(text)
    assert isinstance(error, ForbiddenEdit)
    assert phrase in str(error)


def test_links_and_submodules_are_forbidden() -> None:
    for mode, kind in (("120000", "symbolic link"), ("160000", "submodule")):
        header = f"diff --git a/lib/x b/lib/x\nnew file mode {mode}"
        text = f"{header}\n--- /dev/null\n+++ b/lib/x\n@@\n+y\n"
        error = refusal(text)
        assert isinstance(error, ForbiddenEdit)
        assert "lib/x" in str(error) and kind in str(error)


def test_what_is_only_in_a_frozen_file_is_forbidden() -> None:
    for text in ("heads: 4 -> 8", block("heads = 4", "heads = 8")):
        error = refusal(text)
        assert isinstance(error, ForbiddenEdit)
        assert "serve.py" in str(error)


def test_every_problem_is_told_at_once_and_nothing_is_half_applied() -> None:
    text = "depth: 2 -> 3\nwidth: 9 -> 8\n" + diff(
        "train.py", "-zebra\n+x\n@@\n-rate = 0.1\n@@\n-yak\n"
    )
    message = str(refusal(text))
    assert "line 2 of the idea: `width` is 8" in message
    assert "hunk 1" in message and "hunk 3" in message and "hunk 2" not in message


def test_a_place_that_only_misquoted_context_could_tell_is_refused() -> None:
    files = {"train.py": "def f():\n    a = 1\n    b = 2\n\n\ndef g():\n    a = 1\n    b = 3\n"}
    text = diff("train.py", " def h():\n     a = 1\n+    c = 1\n")
    assert "hunk 1" in str(refusal(text, files))


def test_a_removed_line_that_stands_elsewhere_is_not_taken_from_there() -> None:
    files = {"train.py": "def f():\n    x = 5\n    y = 2\n\n\ndef g():\n    x = 1\n    z = 3\n"}
    text = diff("train.py", " def f():\n-    x = 1\n+    x = 9\n     y = 2\n")
    assert "2 |     x = 5" in str(refusal(text, files))


def test_setting_assignments_names_the_one_that_fails() -> None:
    for values in ({"speed": 1}, {"loss": 2.0}, {"size": 3}, {"rate": float("inf")}):
        with pytest.raises(EditError, match=f"`{next(iter(values))}`"):
            set_assignments(FILES, values, ["train.py"])
