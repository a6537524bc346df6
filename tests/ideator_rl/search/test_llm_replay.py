"""A search that was recorded once is replayed for ever: same ideas, same outcomes, nobody asked."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

import pytest

pytest.importorskip("openai")

from executor.store.runs import RunFolder, Store
from tests.ideator_rl.command_line import ideator_rl, make_workplace
from tests.llm_servers import Answer, Asked, Fault, Reply, serve

SECTIONS = """
ideator: {{kind: api, llm: &llm {{api: openai, model: m, base_url: "{url}"}}}}
implementer: {{kind: llm, samples: 2, revisions: 1, llm: *llm}}
"""
IDEA = "[Experiment] Write {n}, a larger number.\n[Code Changes] Set value to {n}.\n[End]\n"
EDIT = "settings.py\n<<<<<<< SEARCH\n{old}\n=======\nvalue = {n}\n>>>>>>> REPLACE\n"


def author_and_programmer():
    """Ideas that name a number each, and code; of some the first answer, or every one, is wrong."""
    numbers = itertools.count(11)

    def answer(asked: Asked) -> Answer:
        if asked.number in (0, 5):
            return Fault("500")
        if wanted := re.search(r"^Write (one|\d+) ideas?, in this form", asked.text, re.M):
            count = 1 if wanted[1] == "one" else int(wanted[1])
            return Reply("".join(IDEA.format(n=next(numbers)) for _ in range(count)))
        number = int(re.findall(r"Set value to (\d+)\.", json.dumps(asked.body))[-1])
        revised = len(asked.body["messages"]) > 2
        wrong = number % 4 == 0 or (number % 3 == 0 and not revised)
        return Reply(EDIT.format(old="value = ten" if wrong else "value = 10", n=number))

    return answer


def found(run: RunFolder) -> dict[str, object]:
    """The text, the diff and the result of each idea; confirmations draw fresh seeds."""
    told = {}
    for key in filter(re.compile(r"\d+-\d+").fullmatch, run.trials()):
        idea, outcome = run.idea(key), run.outcome(key)
        assert idea and outcome
        told[key] = (idea.text, idea.parents, run.diff(key), outcome.status, outcome.metrics)
    return told


@pytest.mark.slow
def test_one_setting_replays_both_sections_without_a_server(tmp_path: Path) -> None:
    with serve("openai", author_and_programmer()) as server:
        make_workplace(tmp_path, SECTIONS.format(url=server.url))
        recorded = ideator_rl(tmp_path, "search", "--config", "config.yaml", "--json")
        asked = len(server.asked)
    assert recorded.code == 0, recorded.err
    replay = (
        *("--run", "second", "--store", "other"),
        *("--ideator.llm.api", "replay", "--ideator.llm.recording", "store/runs/first"),
        *("--implementer.llm.api", "replay", "--implementer.llm.recording", "store/runs/first"),
    )
    done = ideator_rl(tmp_path, "search", "--config", "config.yaml", "--json", *replay)
    assert done.code == 0, done.err
    assert len(server.asked) == asked
    first, second = (Store(tmp_path / store) for store in ("store", "other"))
    before, after = found(first.run("first")), found(second.run("second"))
    assert before == after
    statuses = [entry[3] for entry in before.values()]
    assert (statuses.count("not_implemented"), statuses.count("completed")) == (3, 9)
    assert not list((tmp_path / "other").rglob("llm/*/*.json"))


@pytest.mark.slow
def test_a_recording_of_another_search_is_one_line(tmp_path: Path) -> None:
    with serve("openai", author_and_programmer()) as server:
        make_workplace(tmp_path, SECTIONS.format(url=server.url))
        words = ("search", "--config", "config.yaml", "--budget.ideas", "4")
        assert ideator_rl(tmp_path, *words).code == 0
    replay = (*words, "--run", "second", "--ideator.llm.api", "replay", "--ideator.llm.recording")
    other = ideator_rl(tmp_path, *replay, "store/runs/first", "--ideator.llm.model", "another")
    missing = ideator_rl(tmp_path, *replay, "store/runs/none")
    for done, line in ((other, "has no answer to this request"), (missing, "has no journal")):
        said = [text for text in done.err.splitlines() if text.startswith("ideator-rl: ")]
        assert done.code == 2 and len(said) == 1 and line in said[0], done.err
