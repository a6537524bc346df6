"""What holds for any text and any two trees."""

import shutil
import subprocess
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from executor.edits import EditError, apply_edits, canonical_diff
from executor.edits.paths import is_editable, is_frozen

FILES = {"train.py": "a = 1\nb = 2\n\nc = 3\n", "lib/m.py": "a = 1\r\nd = 4", "serve.py": "a = 1\n"}
EDITABLE = ["train.py", "lib/*"]
FROZEN = ["serve.py"]

SNIPPETS = [
    *("```", "```diff", "~~~", "<<<<<<< SEARCH", "=======", ">>>>>>> REPLACE", "train.py"),
    *("`lib/m.py`:", "--- a/train.py", "+++ b/train.py", "--- /dev/null", "+++ b/lib/new.py"),
    *("+++ /dev/null", "--- a/../up.py", "+++ b/../up.py", "--- a/serve.py", "+++ b/serve.py"),
    *("diff --git a/lib/m.py b/lib/m.py", "rename from lib/m.py", "rename to lib/n.py"),
    *("new file mode 100644", "deleted file mode 100644", "index 0..1 120000", '--- "a/\\303'),
    *("@@", "@@ -1,2 +1,2 @@", "@@ -4 +4,2 @@", "@@ -0,0 +1 @@", " a = 1", "-a = 1", "+a = 9"),
    *(" b = 2", "-b = 2", "a = 1", "d = 4", "-d = 4", "+", "-", "\\ No newline at end of file"),
    *("*** Begin Patch", "*** Update File: train.py", "*** Add File: lib/n.py", "*** End Patch"),
    *("*** Delete File: serve.py", "*** Move to: ../up.py", "```python", "Create `lib/n.py`:"),
    *("<think>", "</think>", "```json", '{"path": "lib/n.py", "content": "x"}', "a: 1 -&gt; 2"),
    *("serve.py", "a = 1\nb = 2\n\nc = 4", "------- SEARCH", "+++++++ REPLACE", "-\ta = 1"),
    *("c: 3 -> 5", "a: 1 -> 2", "- d = 4 → 'x'", "[Code Changes]", "[End]", "", " ", "\t", "prose"),
]
ideas = st.lists(st.sampled_from(SNIPPETS) | st.text(max_size=12), max_size=14).flatmap(
    lambda rows: st.sampled_from(["\n", "\r\n"]).map(lambda ending: ending.join(rows))
)
lines = st.sampled_from(["a", "b", "", " a", "-- a", "++ b", "@@", "```", "x\r", "\x0c", "\u2028"])
contents = st.lists(lines | st.text(max_size=6), max_size=12).flatmap(
    lambda rows: st.sampled_from(["", "\n"]).map(lambda end: "\n".join(rows) + end)
)
names = st.sampled_from(
    ["a.py", "b/a.py", "a/b", "with space.py", "ü \u2028.txt", 'quo"te', "-", "n/x y"]
)
trees = st.dictionaries(names, contents, max_size=4)


@settings(max_examples=600)
@given(ideas)
def test_any_text_is_applied_inside_the_permissions_or_refused(text: str) -> None:
    before = dict(FILES)
    try:
        after = apply_edits(FILES, text, editable=EDITABLE, frozen=FROZEN)
    except EditError:
        return
    finally:
        assert before == FILES
    assert after != FILES
    touched = {p for p in FILES.keys() | after.keys() if FILES.get(p) != after.get(p)}
    assert all(is_editable(p, EDITABLE) and not is_frozen(p, FROZEN) for p in touched)
    assert "serve.py" in after and not any(".." in path for path in after)


@settings(max_examples=150)
@given(st.text(st.characters(), max_size=300))
def test_arbitrary_unicode_raises_nothing_but_edit_errors(text: str) -> None:
    for idea in (text, f"train.py\n<<<<<<< SEARCH\na = 1\n=======\n{text}\n>>>>>>> REPLACE"):
        with suppress(EditError):
            apply_edits(FILES, idea, editable=["**"], frozen=[])


@settings(max_examples=500)
@given(trees, trees, st.booleans())
def test_a_canonical_diff_applies_back(
    before: dict[str, str], after: dict[str, str], related: bool
) -> None:
    after = before | after if related else after
    diff = canonical_diff(before, after)
    assert (diff == "") == (before == after)
    if diff:
        assert apply_edits(before, diff, editable=["**"], frozen=[]) == after


def test_a_canonical_diff_is_sorted_and_stable() -> None:
    before = {"a.py": "".join(f"line {n}\n" for n in range(60)), "old.py": "x\n", "empty": ""}
    rows = before["a.py"].split("\n")
    rows[5:7], rows[30], rows[50:50] = [], "changed", ["new", ""]
    after = {"a.py": "\n".join(rows), "new file.py": "y", "n": "", "empty": "z\n"}
    diff = canonical_diff(before, after)
    assert apply_edits(before, diff, editable=["**"], frozen=[]) == after
    assert canonical_diff(before, after) == diff
    assert [row for row in diff.split("\n") if row.startswith("diff")] == [
        "diff --git a/a.py b/a.py",
        "diff --git a/empty b/empty",
        "diff --git a/n b/n",
        "diff --git a/new file.py b/new file.py",
        "diff --git a/old.py b/old.py",
    ]


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
@settings(max_examples=120, suppress_health_check=[HealthCheck.too_slow])
@given(trees, trees)
def test_git_applies_a_canonical_diff(before: dict[str, str], after: dict[str, str]) -> None:
    diff = canonical_diff(before, after)
    if not diff:
        return
    with TemporaryDirectory() as name:
        folder = Path(name)
        for path, text in before.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(text.encode())
        command = ["git", "apply", "--whitespace=nowarn", "-"]
        environment = {"GIT_CEILING_DIRECTORIES": str(folder.parent), "PATH": "/usr/bin:/bin"}
        subprocess.run(command, input=diff.encode(), cwd=folder, env=environment, check=True)
        found = {
            p.relative_to(folder).as_posix(): p.read_bytes().decode()
            for p in folder.rglob("*")
            if p.is_file()
        }
    assert found == after
