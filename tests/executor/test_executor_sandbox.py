"""What the executor promises about sandboxes: refused, said, and never mixed up."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from executor import Executor, Problem, StoreError, UserError, load_problem
from executor.sandbox import Sandbox, choose
from tests.executor.runs import examined, idea, trials


def test_every_outcome_says_how_it_was_locked_in(problem: Problem, store: Path) -> None:
    for level in ("none", "best-effort", "strict"):
        with Executor(problem, store=store, run=level, slots=1, sandbox=level) as executor:
            outcome = executor.execute([idea("a", 30)])[0]
            assert outcome.completed and outcome.sandbox == str(executor.sandbox)
            assert executor.run.events()[0]["sandbox"] == str(executor.sandbox)


def test_a_sandbox_that_cannot_be_had_is_one_clear_line(
    problem: Problem, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("executor.executor.choose", lambda level: choose(level, ("process",)))
    with pytest.raises(UserError, match="a strict sandbox cannot be had here") as caught:
        Executor(problem, store=store)
    assert "\n" not in str(caught.value) and not store.exists()


def test_a_result_under_a_weaker_sandbox_is_not_reused(problem: Problem, store: Path) -> None:
    def run(name: str, sandbox: str) -> bool:
        with Executor(problem, store=store, run=name, slots=1, sandbox=sandbox) as executor:  # type: ignore[arg-type]
            return executor.execute([idea("a", 30)])[0].cached

    assert not run("open", "none")
    assert run("open-too", "none")
    assert not run("locked", "strict")
    assert run("locked-too", "strict") and run("open-again", "none")
    assert examined(problem) == [30, 30]


def test_a_run_is_not_resumed_under_a_stricter_sandbox(problem: Problem, store: Path) -> None:
    with Executor(problem, store=store, slots=1, sandbox="none") as executor:
        executor.execute([idea("a", 30)])
    with pytest.raises(StoreError, match="belongs to a weaker sandbox"):
        Executor(problem, store=store, slots=1, sandbox="strict")
    with Executor(problem, store=store, slots=1, sandbox="none") as executor:
        assert executor.execute([idea("a", 30)])[0].completed


def test_what_a_trial_used_is_in_its_outcome(problem: Problem, store: Path) -> None:
    with Executor(problem, store=store, slots=1) as executor:
        outcome = executor.submit_baseline().result()
    assert outcome.cpu_s > 0 and outcome.memory_mib > 0 and outcome.disk_mib > 0
    assert outcome.frozen == {}


def test_a_slot_has_no_key_of_the_controller_s(
    problem: Problem, store: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "very-secret")
    (problem.folder / "evaluate.py").write_text(
        f"import os\ndef examine(candidate, held_out):\n"
        f"    open({str(tmp_path / 'env')!r}, 'w').write(str(dict(os.environ)))\n"
        "    return {'value': 1.0}\n"
    )
    with Executor(problem, store=store, slots=1, sandbox=Sandbox("process", "none")) as executor:
        assert executor.submit_baseline().result().completed
    text = (tmp_path / "env").read_text()
    assert "very-secret" in os.environ.values() and "very-secret" not in text


def test_patched_code_waits_until_what_it_must_not_see_is_found(
    problem: Problem, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A module that every Python has, which nothing imports, stands for a copy of held-out data.
    copy, found = Path(os.__file__).with_name("this.py"), tmp_path / "found"
    monkeypatch.setenv("IDEATOR_RL_DATA", str(tmp_path / "data"))
    (problem.folder / "prepare.py").write_text(
        "import pathlib, time\ndef prepare(train, held_out, source=None): ...\ndef hidden():\n"
        f"    while not pathlib.Path({str(found)!r}).exists():\n        time.sleep(0.01)\n"
        f"    return [pathlib.Path({str(copy)!r})]\n"
    )
    with (problem.folder / "problem.toml").open("a") as file:
        file.write('[data]\nprepare = "prepare.py"\n')
    with Executor(load_problem(problem.folder), store=store, slots=2) as executor:
        patched = executor.submit(
            idea("a", 30, shell=f"test -s {copy} && echo seen || echo hidden")
        )
        assert executor.submit_baseline().result(60).completed
        assert not patched.done() and [t["key"] for t in trials(executor.run)] == ["baseline"]
        found.touch()
        assert patched.result(60).completed
        assert executor.run.log("a").split() == ["hidden"]
