from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from executor import Store, load_problem
from executor.records import Idea
from ideator_rl.claims.claim import Claim
from ideator_rl.claims.kept_claims import Imported, keep_claims
from ideator_rl.sft.earlier_ideas import claimed_ideas
from ideator_rl.sft.recipe import read_warm_start_recipe
from ideator_rl.sft.warm_start import warm_start
from tests.models import SMALLEST
from tests.tiny_problem import larger, make_problem

CLAIMS = [
    Claim("claim-00000", larger(12), reward=12.0, status="completed", thinking="Why not 12."),
    Claim("claim-00001", larger(15), reward=15.0, thinking="Why not 15."),
    Claim("claim-00002", larger(15), reward=14.0),
    Claim("claim-00003", larger(99), reward=99.0, status="crashed"),
    Claim("claim-00004", larger(98)),
]


def imported(folder: Path) -> Store:
    store = Store(folder / "store")
    keep_claims(store.run("theirs"), Imported("set", "tiny", 5), CLAIMS)
    keep_claims(store.run("others"), Imported("set", "other", 1), CLAIMS[:1])
    return store


def test_the_ideas_that_are_claimed_to_be_best_are_imitated(tmp_path: Path) -> None:
    problem, store = load_problem(make_problem(tmp_path / "tiny")), imported(tmp_path)
    ideas = claimed_ideas(store, problem, "*", top=1.0)
    assert [idea.text for idea in ideas] == [larger(15), larger(12)]
    assert ideas[0].meta == {"thinking": "Why not 15."}
    assert [i.text for i in claimed_ideas(store, problem, "th*", top=0.5)] == [larger(15)]
    assert claimed_ideas(store, problem, "others", top=1.0) == []


@pytest.mark.slow
def test_a_model_is_warmed_up_on_an_imported_set(tmp_path: Path) -> None:
    pytest.importorskip("accelerate")
    make_problem(tmp_path / "tiny")
    imported(tmp_path)
    recipe = {
        "env": str(tmp_path / "tiny"),
        "store": str(tmp_path / "store"),
        "run": "taught",
        "model": {"architecture": "qwen3", "sizes": SMALLEST},
        "data": {"prompt": "brief", "claims": "theirs", "top": 1.0, "earlier": 1.0},
        "training": {"steps": 2, "batch_size": 2},
    }
    (tmp_path / "config_taught.yaml").write_text(yaml.safe_dump(recipe))
    folder = warm_start(read_warm_start_recipe(tmp_path / "config_taught.yaml"))
    assert (folder / "model.safetensors").is_file()
    lines = (folder.parent / "earlier-tiny.jsonl").read_text().splitlines()
    assert [Idea.from_json(line).text for line in lines] == [larger(15), larger(12)]
