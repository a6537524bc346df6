"""The examination: only right answers count, and no candidate can do more than fail."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from executor.records import Trial
from tests.executor.trials import Slot, make_spec

# Its bounds are for a machine that does nothing else.
pytestmark = pytest.mark.alone

# The candidate is asked to double eight numbers, twice.
EVALUATE = """
import numpy as np

def examine(candidate, held_out):
    for start in (0, 8):
        x_N = np.arange(start, start + 8, dtype="float32")
        y_N = candidate.ask(x_N, shape=(8,), dtype="float32")
        if not (y_N == 2 * x_N).all():
            raise ValueError("the doubles are wrong")
    return {"value": 2.0, "count": np.int64(16)}
"""
SERVE = """
import os, signal, sys, time
import numpy as np
from exam_pipe import answer, questions
for x in questions():
    {reply}
"""


def examined(slot: Slot, folder: Path, serve: str, **fields: object) -> Trial:
    trial = slot.run(make_spec(folder, serve=serve, **{"evaluate": EVALUATE, **fields}))
    assert trial.stage in ("done", "examine")
    assert trial.status != "completed" or not trial.detail
    assert trial.metrics == {} or trial.status == "completed"
    return trial


def test_right_answers_are_measured(slot: Slot, tmp_path: Path) -> None:
    trial = examined(slot, tmp_path, SERVE.format(reply="answer(2 * x)"))
    assert (trial.status, trial.stage) == ("completed", "done")
    assert trial.metrics == {"value": 2.0, "count": 16.0}


def test_whatever_is_printed_does_not_break_the_protocol(slot: Slot, tmp_path: Path) -> None:
    reply = "print('XAM1'); os.system('echo child'); os.write(1, b'raw\\n'); answer(2 * x)"
    serve = "print('loading 124M parameters')\n" + SERVE.format(reply=reply)
    trial = examined(slot, tmp_path, serve)
    assert trial.status == "completed", trial.detail
    assert trial.log == "loading 124M parameters\n"
    printed = set(trial.exam_log.split("\n")[:-1])
    assert printed == {"loading 124M parameters", "XAM1", "child", "raw"}


def test_what_is_printed_during_the_examination_is_not_in_the_log(
    slot: Slot, tmp_path: Path
) -> None:
    reply = (
        "sys.stdout.truncate = os.ftruncate(1, 0); print('question', x, flush=True); os._exit(3)"
    )
    serve = "print('loaded')\n" + SERVE.format(reply=reply)
    trial = examined(slot, tmp_path, serve)
    assert trial.log == "loaded\n" and "question" not in trial.detail
    assert trial.exam_log.startswith("question [0.")


def test_a_candidate_must_say_that_it_is_ready(slot: Slot, tmp_path: Path) -> None:
    serve = "import os\nos.write(int(os.environ['EXAM_ANSWERS']), b'go!!')\ninput()\n"
    trial = examined(slot, tmp_path, serve)
    assert (trial.status, trial.stage) == ("rejected", "examine")
    assert "did not say that it is ready" in trial.detail


@pytest.mark.parametrize("size", [3, 2**20])
def test_a_large_answer_crosses_like_a_small_one(slot: Slot, tmp_path: Path, size: int) -> None:
    evaluate = f"""
    import numpy as np
    def examine(candidate, held_out):
        x_N = np.arange({size}, dtype="float32")
        for i in range(3):
            y_N = candidate.ask(x_N + i, shape=({size},), dtype="float32", low=0)
            assert (y_N == 2 * (x_N + i)).all() and y_N.flags.writeable
        return {{"value": 1.0}}
    """
    trial = examined(slot, tmp_path, SERVE.format(reply="answer(2 * x)"), evaluate=evaluate)
    assert (trial.status, trial.detail) == ("completed", "")


@pytest.mark.parametrize(("answer", "detail"), [("x - 1", "less than 0"), ("x + 9", "more than 8")])
def test_an_answer_out_of_range_is_rejected(
    slot: Slot, tmp_path: Path, answer: str, detail: str
) -> None:
    evaluate = """
    import numpy as np
    def examine(candidate, held_out):
        candidate.ask(np.arange(9), shape=(9,), dtype="int64", low=0, high=8)
        return {"value": 1.0}
    """
    serve = SERVE.format(reply=f"answer({answer})")
    trial = examined(slot, tmp_path, serve, evaluate=evaluate)
    assert trial.status == "rejected" and detail in trial.detail


@pytest.mark.parametrize(
    ("reply", "detail"),
    [
        ("answer(x)", "the doubles are wrong"),
        ("answer(2 * x[:7])", "answered otherwise than float32[8]"),
        ("answer(2 * x[None])", "answered otherwise than float32[8]"),
        ("answer(2 * x.astype('int32'))", "answered otherwise than float32[8]"),
        ("answer(2 * x.astype('float64'))", "broke the protocol"),
        ("answer(np.zeros(2**20, 'float32'))", "broke the protocol"),
        ("answer(x + np.nan)", "not finite"),
        ("answer(x - np.inf)", "not finite"),
        ("os.write(int(os.environ['EXAM_ANSWERS']), b'y' * 100)", "broke the protocol"),
        ("os.write(int(os.environ['EXAM_ANSWERS']), b'XAM1' + b'\\xff' * 100)", "the protocol"),
        ("answer(2 * x); answer(2 * x)", "the doubles are wrong"),
    ],
)
def test_a_wrong_answer_is_rejected(slot: Slot, tmp_path: Path, reply: str, detail: str) -> None:
    trial = examined(slot, tmp_path, SERVE.format(reply=reply))
    assert (trial.status, trial.stage) == ("rejected", "examine")
    assert detail in trial.detail


@pytest.mark.parametrize(
    ("reply", "last_line"),
    [
        ("raise RuntimeError('no weights')", "RuntimeError: no weights"),
        ("answer(np.array(['text']))", "TypeError"),
        ("sys.exit(0)", ""),
        ("os._exit(1)", ""),
        ("os.kill(os.getpid(), signal.SIGKILL)", ""),
        ("os.close(int(os.environ['EXAM_ANSWERS'])); time.sleep(600)", ""),
    ],
)
def test_a_candidate_that_ends_without_an_answer_crashed(
    slot: Slot, tmp_path: Path, reply: str, last_line: str
) -> None:
    trial = examined(slot, tmp_path, SERVE.format(reply=reply))
    assert (trial.status, trial.stage) == ("crashed", "examine")
    assert trial.detail.startswith("the candidate ")
    assert "without answering" in trial.detail
    assert last_line in trial.exam_log


@pytest.mark.parametrize("serve", ["raise SystemExit('no model')\n", "def f(:\n", "pass\n"])
def test_a_candidate_that_never_starts_crashed(slot: Slot, tmp_path: Path, serve: str) -> None:
    trial = examined(slot, tmp_path, serve)
    assert (trial.status, trial.stage) == ("crashed", "examine")
    assert "the candidate ended before the first question" in trial.detail
    assert trial.log == trial.exam_log


def test_a_candidate_whose_command_is_not_there_crashed(slot: Slot, tmp_path: Path) -> None:
    trial = examined(slot, tmp_path, "", candidate=["no-such-command"])
    assert (trial.status, trial.stage) == ("crashed", "examine")
    assert "no-such-command" in trial.detail


@pytest.mark.parametrize(
    "reply",
    [
        "time.sleep(600)",
        "os.fork(); signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)",
        "os.write(int(os.environ['EXAM_ANSWERS']), b'XAM1\\0'); time.sleep(600)",
        "\n    while True: pass",
    ],
)
def test_a_candidate_that_does_not_answer_is_a_timeout(
    slot: Slot, tmp_path: Path, reply: str
) -> None:
    serve = SERVE.format(reply=reply)
    trial = examined(slot, tmp_path, serve, examine_seconds=0.8)
    assert (trial.status, trial.stage) == ("timeout", "examine")
    assert trial.detail == "the examination took over 0.8 s"
    assert 0.8 < trial.examine_s < 6


def test_a_candidate_that_never_listens_is_a_timeout(slot: Slot, tmp_path: Path) -> None:
    evaluate = """
    import numpy as np
    def examine(candidate, held_out):
        return {"sum": candidate.ask(np.zeros(2**22), shape=(), dtype="float64")}
    """
    trial = examined(
        slot,
        tmp_path,
        "import time\ntime.sleep(600)\n",
        evaluate=evaluate,
        examine_seconds=0.5,
    )
    assert (trial.status, trial.stage) == ("timeout", "examine")


def test_the_candidate_gets_no_seed_no_data_and_no_secret(slot: Slot, tmp_path: Path) -> None:
    reply = "print(sorted(os.environ), os.listdir('.'), flush=True); answer(2 * x)"
    trial = examined(slot, tmp_path, SERVE.format(reply=reply), train_data=str(tmp_path))
    assert trial.status == "completed"
    for name in ("SEED", "DATA_DIR", "BUDGET", "API_KEY", "PYTHONPATH"):
        assert name not in trial.exam_log
    assert "'OMP_NUM_THREADS'" in trial.exam_log and "'serve.py'" in trial.exam_log


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        ("raise ValueError('looks memorised')", "rejected", "looks memorised"),
        ("raise KeyError('labels')", "crashed", "evaluate.py raised KeyError: 'labels'"),
        ("raise SystemExit(0)", "crashed", "evaluate.py raised SystemExit"),
        ("import os; os._exit(5)", "crashed", "the examiner ended with exit code 5"),
        ("return {'loss': float('nan')}", "rejected", "the metric loss is not finite"),
        ("return {'a': 1.0, 'loss': float('inf')}", "rejected", "the metric loss is not finite"),
        ("return {'loss': 'low'}", "rejected", "could not convert"),
        ("return 0.5", "crashed", "evaluate.py raised AttributeError"),
        ("return {}", "completed", ""),
        ("print('a remark', flush=True); return {'loss': 1}", "completed", ""),
        ("import time; time.sleep(600)", "timeout", "the examination took over 0.6 s"),
        ("return {str(i): i for i in range(20000)}", "completed", ""),
        ("raise ValueError('x' * 10**6)", "rejected", "xxx"),
    ],
)
def test_what_examine_does_becomes_a_status(
    slot: Slot, tmp_path: Path, body: str, status: str, detail: str
) -> None:
    evaluate = f"def examine(candidate, held_out):\n    {body}\n"
    limit = 0.6 if "sleep" in body else 20
    trial = slot.run(make_spec(tmp_path, evaluate=evaluate, examine_seconds=limit))
    assert trial.status == status
    assert detail in trial.detail and len(trial.detail) <= 2000
    assert trial.exam_log == ("a remark\n" if "remark" in body else "")


@pytest.mark.parametrize(
    ("evaluate", "detail"),
    [
        ("def examine(:\n", "SyntaxError"),
        ("def evaluate(): ...\n", "has no attribute 'examine'"),
        ("import no_such_module\n", "no_such_module"),
        ("raise SystemExit(3)\n", "SystemExit"),
    ],
)
def test_an_evaluate_py_that_cannot_be_used_is_named(
    slot: Slot, tmp_path: Path, evaluate: str, detail: str
) -> None:
    trial = slot.run(make_spec(tmp_path, evaluate=evaluate))
    assert (trial.status, trial.stage) == ("crashed", "examine")
    assert "evaluate.py raised" in trial.detail and detail in trial.detail


def test_an_evaluate_py_that_prints_while_it_is_imported_disturbs_nobody(
    slot: Slot, tmp_path: Path
) -> None:
    evaluate = "print('imported')\ndef examine(candidate, held_out):\n    return {'value': 1.0}\n"
    assert slot.run(make_spec(tmp_path, evaluate=evaluate)).metrics == {"value": 1.0}


def test_an_examination_only_sees_what_training_left(slot: Slot, tmp_path: Path) -> None:
    train = """
    import os
    os.makedirs("candidate/deep")
    open("candidate/deep/weights", "w").write("1")
    open("notes", "w").write("not in the folder")
    """
    evaluate = """
    def examine(candidate, held_out):
        found = [path.name for path in candidate.folder.rglob("*")]
        assert sorted(found) == ["deep", "weights"] and held_out is None
        assert not (candidate.folder.parent / "notes").exists()
        return {"value": 1.0}
    """
    assert slot.run(make_spec(tmp_path, train, evaluate=evaluate)).status == "completed"


def test_a_candidate_s_cpu_time_is_bounded_and_its_imports_are_free(
    slot: Slot, tmp_path: Path
) -> None:
    limits = {"candidate_seconds": 0.6, "candidate_preload": ["sklearn.linear_model"]}
    serve = "import sklearn.linear_model\n" + SERVE.format(reply="answer(2 * x)")
    trial = examined(slot, tmp_path, serve, **limits)
    assert (trial.status, trial.detail) == ("completed", "")
    trains = "import time\nwhile time.process_time() < 60: pass\n"
    trial = examined(slot, tmp_path, trains + serve, **limits)
    assert (trial.status, trial.stage) == ("timeout", "examine")
    assert trial.detail == "the candidate used over 0.6 CPU seconds"


def test_a_candidate_that_fills_its_log_does_not_silence_the_examiner(
    slot: Slot, tmp_path: Path
) -> None:
    flood = "[os.write(2, b'x' * 2**20) for _ in range(200)]"
    serve = SERVE.format(
        reply=f"try:\n        {flood}\n    except OSError: pass\n    answer(2 * x)"
    )
    evaluate = EVALUATE + "\nhonest = examine\ndef examine(candidate, held_out):\n"
    evaluate += (
        "    found = honest(candidate, held_out)\n    print('all asked')\n    return found\n"
    )
    trial = examined(slot, tmp_path, serve, evaluate=evaluate)
    assert trial.status == "completed", trial.detail
    assert trial.exam_log.endswith("all asked\n")
    assert slot.process.poll() is None


def test_the_examination_imports_modules_beside_it(slot: Slot, tmp_path: Path) -> None:
    (tmp_path / "doubles.py").write_text("def right(x, y):\n    return (y == 2 * x).all()\n")
    evaluate = "import doubles\n" + EVALUATE.replace(
        "(y_N == 2 * x_N).all()", "doubles.right(x_N, y_N)"
    )
    trial = examined(slot, tmp_path, SERVE.format(reply="answer(2 * x)"), evaluate=evaluate)
    assert trial.status == "completed", trial.detail


FINAL = """
import numpy as np

def examine(candidate, held_out):
    x_N = np.load(held_out / "x.npy")
    y_N = candidate.ask(x_N, shape=x_N.shape, dtype="float64")
    return {"error": float(abs(y_N - 2 * x_N).mean())}
"""


def test_the_final_part_is_examined_on_the_candidate_as_training_left_it(
    slot: Slot, tmp_path: Path
) -> None:
    for name, value in (("held_out", 1.0), ("final", 3.0)):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "x.npy", np.full(4, value))
    train = "import os; os.mkdir('candidate'); open('candidate/bias', 'w').write('0')"
    # It keeps what it was asked, in memory and in its folder, to know it in a later examination.
    serve = SERVE.format(
        reply="bias = float(open('candidate/bias').read())\n"
        "    open('candidate/bias', 'w').write('100')\n    answer(2 * x + bias)"
    )
    parts = {name: str(tmp_path / name) for name in ("held_out", "final")}
    for asked in (parts, {"held_out": parts["held_out"]}):
        trial = slot.run(make_spec(tmp_path / "spec", train, serve=serve, evaluate=FINAL, **asked))
        assert trial.status == "completed", trial.detail
        assert trial.metrics == {"error": 0.0}
        assert trial.final == ({"error": 0.0} if "final" in asked else {})
