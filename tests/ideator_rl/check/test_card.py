"""The page that `ideator-rl envs check` writes."""

from __future__ import annotations

from dataclasses import replace

from ideator_rl.check.card import Card, CheatRow, IdeaRow, Machine, this_machine

CARD = Card(
    problem="digits",
    title="A small network",
    version="abc",
    machine=Machine("A CPU", 2, "3.11.7"),
    slots=2,
    sandbox="strict: namespaces",
    budget_kind="cpu",
    budget_seconds=2.0,
    seeds=3,
    rewards=(0.90, 0.91, 0.92),
    charged_s=(0.4, 0.5, 0.6),
    trial_s=(1.0, 1.0, 1.0),
    startup_s=(0.3, 0.3, 0.3),
    train_s=(0.85, 0.85, 0.85),
    examine_s=(0.1, 0.1, 0.1),
    ideas=(
        IdeaRow("faster", "completed", "completed", 0.93),
        IdeaRow("wrong", "crashed", "completed", None),
    ),
)


def rows(page: str) -> list[list[str]]:
    lines = [line for line in page.split("\n") if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_card_states_noise_budget_time_and_ideas() -> None:
    page = CARD.markdown()
    table = dict((row[0], row[1:]) for row in rows(page))
    assert table["mean reward"] == ["0.91000"]
    assert table["standard deviation between seeds"] == ["0.01000"]
    assert table["95 % band of one more baseline trial"] == ["0.86032 to 0.95968"]
    assert 0.030 < float(table["3"][0]) < 0.040
    assert table["used"] == ["0.50 cpu s (25%), at most 0.60 cpu s"]
    assert table["examination"] == ["0.10 s (10% of the trial)"]
    assert table["start-up"] == ["0.30 s (30% of the trial)"]
    assert table["training"] == ["0.55 s (55% of the trial)"]
    assert table["sandbox"] == ["strict: namespaces"]
    assert table["faster"] == ["completed", "0.93000", "+0.02000", "+2.0"]
    assert table["wrong"][0] == "crashed (expected completed)"
    assert all(fact in page for fact in ("abc", "A CPU", "3.11.7"))


def test_sections_without_content_are_left_out() -> None:
    assert "## Guarantees" not in CARD.markdown() and "## Cheats" not in CARD.markdown()
    assert "## Library ideas" not in replace(CARD, ideas=()).markdown()
    cheat = CheatRow("pipe | pipe", "rejected", "rejected", 0.0, True)
    page = replace(CARD, guarantees=("No network.",), cheats=(cheat,)).markdown()
    assert "## Guarantees\n\n- No network.\n" in page
    assert rows(page.partition("## Cheats")[2])[2] == [
        "pipe &#124; pipe", "nothing", "rejected", "rejected", "0.00000"
    ]  # fmt: skip


def test_a_card_without_noise_or_without_a_baseline_says_so() -> None:
    assert "One seed has no noise" in replace(CARD, seeds=1, rewards=(0.9,)).markdown()
    nothing = dict.fromkeys(("rewards", "charged_s", "trial_s", "startup_s", "train_s"), ())
    page = replace(CARD, examine_s=(), **nothing).markdown()
    assert "None of 3 baseline trials completed." in page and "nan" not in page


def test_every_baseline_trial_with_one_reward_is_a_card_too() -> None:
    table = dict((row[0], row[1:]) for row in rows(replace(CARD, rewards=(0.9,) * 3).markdown()))
    assert table["3"] == ["0.00000"] and table["faster"][-1] == ""


def test_this_machine_has_facts() -> None:
    machine = this_machine()
    assert machine.cpu and machine.cores >= 1 and machine.python.startswith("3.")
