"""The page of a run, in a real browser; skipped where there is none."""

import shutil

import pytest
from report_runs import (
    begin,
    completed,
    confirmed_run,
    paid_run,
    sample_run,
    training_run,
    write_confirmation,
    write_trial,
)
from test_report import HOSTILE

from executor.records import Idea, Outcome
from executor.store.runs import Store
from ideator_rl.analysis import load_run
from ideator_rl.evaluation.figures import Drawn, EvaluationHeader, WrittenIdea, summarize
from ideator_rl.evaluation.page import render_evaluation
from ideator_rl.report import write_report

api = pytest.importorskip("playwright.sync_api")
BROWSER = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chrome"))), None)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium on this machine")


@pytest.fixture(scope="module")
def browser():
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def show(browser):
    """Opens a run's report; at the end nothing may have gone wrong or been fetched."""
    complaints = []

    def show(run, width=1280, fragment=""):
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.set_default_timeout(10_000)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request", lambda r: r.url.startswith(("file:", "data:")) or complaints.append(r.url)
        )
        page.goto(write_report(run).as_uri() + fragment)
        page.wait_for_selector("#plot .ring", state="attached")
        return page

    yield show
    assert complaints == []


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return confirmed_run(tmp_path_factory.mktemp("store"), ideas=60)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return training_run(tmp_path_factory.mktemp("training"), steps=12, answers=16)


def click_point(page, number):
    box = page.locator(".point").nth(number).bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


def column(page, number):
    return page.locator(f".row td:nth-child({number})").all_inner_texts()


@pytest.mark.parametrize("width", [420, 1280])
def test_long_names_of_models_do_not_widen_the_page_of_an_evaluation(browser, tmp_path, width):
    outcomes = [Outcome(f"i{n}", "completed", n / 9, content_hash=f"{n}") for n in range(9)]
    ideas = [WrittenIdea(outcome.idea_id, "text", "text", 1, 2, 0.1) for outcome in outcomes]
    names = ["m" * 99, "m" * 98, "models/" + "a-b" * 40]
    rows = [Drawn(name, "checkpoint", name, ideas, outcomes) for name in names]
    header = EvaluationHeader(
        env="tiny", problem="tiny", title="Title", run="r" * 99, url="store/runs/eval", n=9,
        k=(1, 2, 9), seed=0, trial_seed=1, temperature=1.0, implementer="code-model",
        sandbox="strict", recipe="env: tiny\n",
    )  # fmt: skip
    found = summarize(header, rows, [Outcome("baseline", "completed", 0.4)])
    path = tmp_path / "report.html"
    path.write_text(render_evaluation(found))
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.goto(path.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_every_idea_is_a_point_and_a_row(show, run):
    page, ideas = show(run), load_run(run).ideas
    assert page.locator(".point").count() == len(ideas) == 60
    assert page.locator(".row").count() == 60
    for status in {idea.status for idea in ideas}:
        assert page.locator(f".point.s-{status}").count() == sum(i.status == status for i in ideas)


def test_a_point_tells_about_its_idea_and_opens_it(show, run):
    page, idea = show(run), load_run(run).ideas[30]
    box = page.locator(".point").nth(30).bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert idea.idea_id in page.locator("#tip").inner_text()
    click_point(page, 30)
    detail = page.locator(f"[id='idea-{idea.idea_id}'] .detail")
    assert detail.is_visible()
    assert detail.locator(".diff").inner_text().split() == idea.diff.split()
    assert detail.locator(".add").count() == 2
    assert idea.log_tail.splitlines()[-1] in detail.inner_text()
    page.locator(f"[id='idea-{idea.idea_id}'] .open-row").click()
    assert not detail.is_visible()


def test_winners_are_marked_by_what_fresh_seeds_say(show, run):
    page, found = show(run), load_run(run).confirmation.ideas
    badges = page.locator(".row .badge").all_inner_texts()
    assert sorted(badges) == sorted(idea.verdict for idea in found)
    assert page.locator("#plot .mean").count() == len(found) == 3
    assert "noise floor: baseline 0.8998" in page.locator("#plot").inner_text()
    lost = page.locator(f"[id='idea-{found[1].idea_id}']")
    lost.locator(".open-row").click()
    assert "0.9046, does not survive" in lost.locator(".facts").inner_text()


@pytest.mark.slow
def test_whiskers_end_where_the_intervals_do(show, run):
    page, found = show(run), load_run(run).confirmation.ideas
    rows = page.locator("#confirmed tbody tr")
    assert rows.count() == 3
    whisker = rows.first.locator(".whisker").first.bounding_box()
    mean, zero = (rows.first.locator(s).bounding_box() for s in (".mean", ".baseline"))
    gain, base = found[0].gain, zero["x"] + zero["width"] / 2
    pixels = (mean["x"] + mean["width"] / 2 - base) / gain.value
    assert whisker["x"] - base == pytest.approx(gain.low * pixels, abs=2)
    assert whisker["x"] + whisker["width"] - base == pytest.approx(gain.high * pixels, abs=2)
    rows.first.locator("a").click()
    assert page.locator(f"[id='idea-{found[0].idea_id}'] .detail").is_visible()


@pytest.mark.slow
def test_failures_do_not_squash_the_scale(show, run):
    page = show(run)
    best, worst = (page.locator(s).first.bounding_box()["y"] for s in (".best", ".point.s-crashed"))
    assert worst - best > 250
    labels = page.locator("#plot text").all_text_contents()
    assert "0.90" in labels and "0.00" not in labels
    page.check("#whole")
    assert "0.2" in page.locator("#plot text").all_text_contents()


@pytest.mark.slow
def test_the_table_sorts_both_ways_with_failures_last(show, run):
    page = show(run)
    down = [text for text in column(page, 3) if text != "–"]
    assert down == sorted(down, reverse=True)
    page.get_by_role("button", name="reward").click()
    up = column(page, 3)
    assert up[: len(down)] == down[::-1] and set(up[len(down) :]) == {"–"}
    page.get_by_role("button", name="epoch").click()
    assert list(map(int, column(page, 5))) == sorted(map(int, column(page, 5)))
    assert page.locator("th[aria-sort]").inner_text().startswith("epoch")


@pytest.mark.slow
def test_the_axis_switches_to_time_and_back(show, run):
    page = show(run)
    spots = page.locator(".point").evaluate_all("ps => ps.map(p => p.getAttribute('transform'))")
    page.check("[value=time]")
    assert "wall time, seconds" in page.locator("#plot").inner_text()
    assert page.locator(".point").count() == 60
    page.check("[value=count]")
    again = page.locator(".point").evaluate_all("ps => ps.map(p => p.getAttribute('transform'))")
    assert again == spots


@pytest.mark.slow
def test_statuses_and_words_filter_points_and_rows(show, run):
    page = show(run)
    crashed = page.locator(".point.s-crashed").count()
    page.get_by_role("button", name="crashed").first.click()
    assert page.locator(".point").count() == 60 - crashed
    assert page.locator(".row:visible").count() == 60 - crashed
    page.fill("#find", "no idea has these words")
    assert page.locator(".row:visible").count() == 0
    assert page.locator("#none").is_visible()


def test_parents_are_links_and_a_link_from_outside_opens_its_idea(show, run):
    child = next(idea for idea in load_run(run).ideas if idea.parents)
    page = show(run, fragment=f"#idea-{child.idea_id}")
    row = page.locator(f"[id='idea-{child.idea_id}']")
    assert row.locator(".detail").is_visible()
    row.locator(".lineage a").first.click()
    assert page.locator(f"[id='idea-{child.parents[0]}'] .detail").is_visible()


@pytest.mark.slow
def test_the_plot_can_be_walked_with_the_keyboard(show, run):
    page, ideas = show(run), load_run(run).ideas
    page.focus("#plot")
    for key in ("End", "ArrowLeft", "Enter"):
        page.keyboard.press(key)
    assert page.locator(f"[id='idea-{ideas[-2].idea_id}'] .detail").is_visible()
    focused = page.evaluate("document.activeElement.textContent")
    assert focused == ideas[-2].idea_id


@pytest.mark.slow
@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize("kind", ["run", "trained"])
def test_nothing_runs_off_the_page(show, request, kind, width):
    page = show(request.getfixturevalue(kind), width=width)
    page.locator(".open-row").first.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_every_figure_of_training_has_its_curve(show, trained):
    page = show(trained)
    charts = page.locator("#training figure")
    assert charts.count() == 9
    titles = charts.locator("h3").all_inner_texts()
    assert [title.split()[0] for title in titles[:3]] == ["Reward", "What", "Distinct"]
    for number, count in ((0, 3), (2, 3), (3, 1), (4, 2)):
        lines = charts.nth(number).locator(".chart .line")
        assert lines.count() == count
        for line in lines.all():
            # A level line has no height.
            box = line.bounding_box()
            assert box["width"] > 200 and line.evaluate("l => l.getTotalLength()") > 200
    for number in (1, 7):
        assert charts.nth(number).locator(".chart .bars").count() == 4
    assert charts.nth(0).locator(".chart .baseline").count() == 1


@pytest.mark.slow
def test_the_step_under_the_pointer_is_told_in_every_chart(show, trained):
    page, steps = show(trained), load_run(trained).steps
    charts = page.locator("#training figure")

    def told():
        return [charts.nth(n).locator("b").first.inner_text() for n in (0, 3)]

    def expected(step):
        line = steps[step]
        return [f"{line['reward/mean']:.4f}", f"{line['ideas/similarity']:.3g}"]

    assert told() == expected(12)
    charts.nth(1).scroll_into_view_if_needed()
    box = charts.nth(1).locator(".chart").bounding_box()
    left, width = box["x"] + box["width"] * 46 / 360, box["width"] * 308 / 360
    page.mouse.move(left + width * 4.5 / 12, box["y"] + box["height"] / 2)
    assert told() == expected(5)
    assert page.locator(".cursor text").all_text_contents() == ["5"] * 9
    page.mouse.move(5, 5)
    assert told() == expected(12)
    charts.nth(0).focus()
    for key in ("ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    assert told() == expected(2)
    page.keyboard.press("Escape")
    assert told() == expected(12)


@pytest.mark.slow
def test_each_codebase_is_listed_once_until_all_are_asked_for(show, trained):
    page, ideas = show(trained), load_run(trained).ideas
    distinct = {idea.content_hash or idea.text for idea in ideas}
    assert page.locator(".row:visible").count() == len(distinct) < len(ideas)
    assert page.locator(".point").count() == len(ideas)
    page.uncheck("#once")
    assert page.locator(".row:visible").count() == len(ideas)
    page.check("#once")
    page.locator(".row:visible", has_text="×").first.locator(".open-row").click()
    page.locator(".facts a").first.click()
    assert page.locator(".row:visible").count() == len(distinct) + 1
    assert page.locator(".detail:visible").count() == 2
    assert "Considered dropout" in page.locator(".detail:visible").first.inner_text()


def test_hostile_texts_are_only_ever_text(show, tmp_path):
    run = Store(tmp_path).run("hostile")
    run.write_recipe("\n".join(HOSTILE))
    begin(run, HOSTILE[0])
    for number, text in enumerate(HOSTILE):
        meta = {"thinking": text}
        idea = Idea(f"i{number}", text, origin=text, parents=(text, "i0"), meta=meta)
        outcome = completed(idea.id, 0.5 + number / 100)
        outcome.metrics[text] = 1.0
        write_trial(run, idea, outcome, diff=f"+{text}\n-{text}", log=text * 20_000)
    write_confirmation(run, {"baseline": (0.1, 0.2), "i0": (0.5, 0.6), "i1": (0.1, None)})
    page = show(run)
    for button in page.locator(".open-row").all():
        button.click()
    page.hover("#plot")
    assert page.evaluate("window.hit") is None
    assert (
        page.locator("img, script:not(body > script), [onerror], main a:not([href^='#'])").count()
        == 0
    )
    assert "<img src=x onerror='window.hit = 1'>" in page.locator("#ideas").inner_text()


def test_an_empty_run_is_shown(show, tmp_path):
    run = Store(tmp_path).run("begun")
    begin(run)
    assert "No idea has completed" in show(run).locator("body").inner_text()


@pytest.mark.slow
def test_two_thousand_ideas_open_quickly(show, tmp_path):
    run = sample_run(tmp_path, ideas=2000)
    page = show(run)
    assert (tmp_path / f"runs/{run.name}/report.html").stat().st_size < 8_000_000
    assert page.locator(".point").count() == 2000
    interactive = page.evaluate("performance.getEntriesByType('navigation')[0].domInteractive")
    assert interactive < 5_000


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 400])
def test_an_idea_tells_what_was_paid_for_it(show, tmp_path, width):
    page = show(paid_run(tmp_path), width=width, fragment="#idea-000-001")
    facts = page.locator(".facts").inner_text()
    assert "0.07, without answers that were cancelled or failed" in " ".join(facts.split())
    assert "2 of the implementer, 9800 tokens" in " ".join(facts.split())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("#cost .sum").is_visible()
    if width > 900:
        page.click("th button[data-key=money]")
        assert [float(cost) for cost in column(page, 8)] == [0.03, 0.06, 0.07]
