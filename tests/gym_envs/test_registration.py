from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import gymnasium
import pytest
from gymnasium.utils.env_checker import check_env

import gym_envs
from executor import ProblemError
from executor.errors import UserError
from gym_envs import find_problem, problem_paths, register_problem
from tests.tiny_problem import larger, make_problem


def test_the_built_in_problems_are_found_by_name_id_and_folder() -> None:
    assert {"digits", "nanogpt-tiny"} <= problem_paths().keys()
    folder = Path(gym_envs.__file__).parent / "digits"
    found = [find_problem(env) for env in ("digits", "research/Digits-v0", str(folder))]
    assert len({problem.version for problem in found}) == 1


def test_an_unknown_name_is_one_line_that_lists_the_known() -> None:
    with pytest.raises(ProblemError, match=r"^unknown environment 'nope'; known: .*digits"):
        find_problem("nope")


def test_a_folder_can_be_registered(tmp_path: Path) -> None:
    env_id = register_problem(make_problem(tmp_path / "tiny", env_id="Folder-v0"))
    env = gymnasium.make(env_id, store=tmp_path / "store", slots=1)
    env.reset(seed=1)
    assert env.step(larger(33))[1] == 33.0
    env.close()


def at_laptop_size(name: str) -> bool:
    return not find_problem(name).file.resources.gpus


@pytest.mark.parametrize("name", sorted(n for n in problem_paths() if not at_laptop_size(n)))
def test_a_problem_without_its_data_or_gpus_says_so_before_it_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IDEATOR_RL_DATA", str(tmp_path / "data"))
    with pytest.raises(UserError, match=r"ideator-rl envs prepare|GPU") as told:
        gymnasium.make(find_problem_id(name), store=tmp_path / "store")
    assert "\n" not in str(told.value)


def find_problem_id(name: str) -> str:
    return gym_envs.registration.gymnasium_id(problem_paths()[name])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "name",
    [
        name if name == "digits" else pytest.param(name, marks=pytest.mark.slow)
        for name in sorted(filter(at_laptop_size, problem_paths()))
    ],
)
def test_gymnasium_accepts_every_registered_environment(name: str, tmp_path: Path) -> None:
    env = gymnasium.make(find_problem_id(name), store=tmp_path / "store", slots=1)
    check_env(env.unwrapped, skip_render_check=True)
    env.close()


def test_make_and_make_vec_work_in_a_plain_script(tmp_path: Path) -> None:
    script = """
import gymnasium, gym_envs
text = "[Experiment] x\\n[Code Changes]\\nlearning_rate: 0.005 -> 0.05"
env = gymnasium.make("research/Digits-v0", slots=1)
env.reset()
print(env.step(text)[1] > 0.8)
env.close()
envs = gymnasium.make_vec("research/Digits-v0", num_envs=2, slots=1)
envs.reset()
print(envs.step([text, "nothing"])[1] > 0.8)
envs.close()
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout.split("\n") == ["True", "[ True False]", ""], done.stderr


def test_an_installed_package_adds_problems(tmp_path: Path) -> None:
    package = tmp_path / "my_plugin"
    make_problem(package, name="plugged", env_id="Plugged-v0")
    (package / "__init__.py").write_text("")
    metadata = tmp_path / "my_plugin-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: my-plugin\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[ideator_rl.problems]\nplugged = my_plugin\n")
    script = """
import gymnasium, gym_envs
env = gymnasium.make("research/Plugged-v0", slots=1)
env.reset()
print(env.step("[Code Changes]\\nvalue: 10 -> 17")[1])
env.close()
"""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{script}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "17.0\n", done.stderr


def test_a_broken_plugin_breaks_nothing_else(tmp_path: Path) -> None:
    metadata = tmp_path / "broken-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[ideator_rl.problems]\nbroken = no_such_package\n")
    script = "import gym_envs; print('digits' in gym_envs.problem_paths())"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{script}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "True\n" and "no_such_package" in done.stderr
