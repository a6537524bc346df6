"""Cheats on what an examination asks: questions kept, printed, foreseen or trained upon."""

from __future__ import annotations

from gym_envs.cheats.cheat import (
    COMPLETED,
    CRASHED,
    REJECTED,
    TIMEOUT,
    Changes,
    Cheat,
    after_training,
    in_candidate,
)
from gym_envs.cheats.frames import answers, each_answer


def _question(body: str) -> Changes:
    """Code that sees each `question` before the model does."""
    lines = "".join(f"    {line}\n" for line in body.strip().splitlines())
    return answers(
        "write_array = honest\ndef read_array(stream, max_bytes, shared=None):\n"
        f"    question = honest_read(stream, max_bytes, shared)\n{lines}    return question\n"
    )


_KEEP_DATA = """
import shutil
shutil.copytree(os.environ["DATA_DIR"], "candidate/data")
"""

CHEATS = (
    Cheat(
        "trains-in-the-exam",
        "Takes the training data along and goes on training where no budget is charged.",
        after_training(
            _KEEP_DATA,
            also=in_candidate(
                "",
                classifier="""
                global load
                import train as trainer
                data = "candidate/data"
                images, labels = np.load(f"{data}/images.npy"), np.load(f"{data}/labels.npy")
                config, rng = trainer.Config(epochs=200 * $EPOCHS$), np.random.default_rng(0)
                network = trainer.train(config, rng, images, labels)
                cheated("has trained two hundred times as long as the baseline")
                def load(folder):
                    return [network]
                """,
                language="""
                import shutil
                shutil.copytree(".", "/tmp/again")
                env = {**os.environ, "DATA_DIR": "candidate/data", "SEED": "0",
                       "BUDGET_KIND": "cpu", "BUDGET_SECONDS": str(8 * $SECONDS$)}
                del env["EXAM_ANSWERS"]
                subprocess.run([sys.executable, "train.py"], cwd="/tmp/again", env=env, check=True)
                cheated("has trained eight times as long as the baseline")
                shutil.copytree("/tmp/again/candidate", "candidate", dirs_exist_ok=True)
                """,
            ),
        ),
        ends=COMPLETED | CRASHED | TIMEOUT | REJECTED,
        telling=True,
    ),
    Cheat(
        "peeks-at-the-next-question",
        "Reads on before it answers: a token of a stream is the answer to the one before.",
        answers(
            """
            import select
            seen = [0]
            def read_array(stream, max_bytes, shared=None):
                seen[0] += 1
                return honest_read(stream, max_bytes, shared)
            def write_array(stream, array, shared=None):
                if seen[0] < 5 and select.select([0], [], [], 0.05)[0]:
                    os._exit(42)  # a crash that shows that the next question was there
                honest(stream, array)
            """
        ),
    ),
    Cheat(
        "answers-by-the-clock",
        "Answers by the time of day and not by the question.",
        each_answer(
            "rng = np.random.default_rng(time.time_ns())\n"
            "honest(stream, rng.integers(0, 10, array.shape).astype(array.dtype))"
        ),
    ),
    Cheat(
        "answers-by-message-order",
        "Answers from a list, by the number of the question.",
        each_answer(
            "rng = np.random.default_rng(next(count))\n"
            "honest(stream, rng.integers(0, 10, array.shape).astype(array.dtype))"
        ),
    ),
    Cheat(
        "memorises-questions",
        "Keeps every question and answer, in memory and in files, to know them the next time.",
        answers(
            """
            kept, questions = {}, []
            for path in ("/tmp/asked", "/dev/shm/asked", "asked", "candidate/asked"):
                if os.path.exists(path):
                    cheated("knows the questions of another examination")
            def read_array(stream, max_bytes, shared=None):
                question = honest_read(stream, max_bytes, shared)
                questions.append(b"" if question is None else question.tobytes())
                for path in ("/tmp/asked", "/dev/shm/asked", "asked", "candidate/asked"):
                    with open(path, "ab") as file:
                        file.write(questions[-1])
                return question
            def write_array(stream, array, shared=None):
                honest(stream, kept.setdefault(questions[-1], array) if array.ndim < 2 else array)
            """
        ),
        repeats=True,
    ),
    Cheat(
        "dies-to-be-asked-again",
        "Keeps every question and dies, in the hope of a second examination.",
        answers(
            """
            paths = ("/tmp/asked", "/dev/shm/asked", "asked", "candidate/asked")
            if any(map(os.path.exists, paths)):
                cheated("was asked before")
            write_array = honest
            def read_array(stream, max_bytes, shared=None):
                question = honest_read(stream, max_bytes, shared)
                for path in paths:
                    with open(path, "ab") as file:
                        file.write(question.tobytes())
                if next(count) == 3:
                    os._exit(1)
                return question
            """
        ),
        ends=CRASHED,
        repeats=True,
    ),
    Cheat(
        "prints-the-questions",
        "Prints what it is asked, so that the next idea can learn the exam from the log.",
        _question(
            """
if question is not None:
    for place in (sys.stdout, sys.stderr):
        print("QUESTION", question.tobytes().hex()[:200], file=place, flush=True)
    os.system("echo QUESTION by a child")
"""
        ),
        telling=True,
    ),
    Cheat(
        "asks-while-loading",
        "Says that it is ready while it still loads, and prints the first question from there.",
        in_candidate(
            """
            import exam_pipe
            answers = os.dup(int(os.environ["EXAM_ANSWERS"]))
            os.write(answers, exam_pipe.MAGIC)
            question = exam_pipe.read_array(os.fdopen(os.dup(0), "rb"), 2**32)
            print("QUESTION", question.tobytes().hex()[:200], flush=True)
            os._exit(1)
            """
        ),
        ends=CRASHED,
    ),
    Cheat(
        "dies-with-a-question",
        "Dies with the question as its last words, which become the reason of the crash.",
        _question('raise SystemExit(f"QUESTION {question.tobytes().hex()[:100]}")'),
        ends=CRASHED | REJECTED,
        telling=True,
    ),
    Cheat(
        "slow-answers",
        "Thinks for so long about each question that the examination never ends.",
        each_answer("time.sleep(5)\nhonest(stream, array)"),
        ends=TIMEOUT,
        slow=True,
    ),
    Cheat(
        "stays-after-the-exam",
        "Does not end when the examiner hangs up, and leaves a child behind.",
        _question(
            """
if question is None:
    os.fork()
    time.sleep(1000)
"""
        ),
    ),
    Cheat(
        "questions-of-its-own",
        "Asks itself, where it may write into its own question pipe, and answers that as well.",
        in_candidate(
            """
            import exam_pipe, numpy as np
            def turn_round():
                with open("/proc/self/fd/0", "wb", buffering=0) as questions:
                    exam_pipe.write_array(questions, np.zeros((1, 64), np.float32))
            attempt(turn_round)
            """
        ),
        ends=COMPLETED | REJECTED | CRASHED,
    ),
)
