"""Evaluates ideators on a problem: sample, execute, compare.

    ready = prepare(recipe)                      # refuses what cannot be, before anything starts
    with begin(ready) as executor:
        found = evaluate(ready, executor)
    found.rows[0].best_at_k[16]

The ideas are sampled first, model by model: those of APIs and plug-ins beside the trials of the
baseline, those of checkpoints alone, so that no trial shares the machine with a model. Then all of
them run, beside the library's. Every sample and every trial is kept as soon as it is there: the
same evaluation again does what is missing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import zip_longest

from executor import Executor, Idea, Outcome, Problem, Store
from executor.errors import UserError
from executor.llm.journal import Journal
from executor.llm.open import open_llm
from executor.store.open import open_storage
from executor.store.storage import Storage
from executor.tasks.task_group import task_group
from gym_envs import find_problem
from gym_envs.research_env import as_idea
from ideator_rl.evaluation.figures import (
    Drawn,
    Evaluation,
    EvaluationHeader,
    RowKind,
    WrittenIdea,
    summarize,
)
from ideator_rl.evaluation.recipe import (
    API_ROWS,
    LIBRARY_ROW,
    PLUGIN_ROWS,
    EvaluationRecipe,
    row_labels,
)
from ideator_rl.evaluation.samples import (
    Sample,
    SampleFile,
    sample_ideator,
    sample_library,
    sample_model,
)
from ideator_rl.evaluation.shown import keep_shown, shown_ideas
from ideator_rl.ideators.api import ApiIdeator
from ideator_rl.ideators.checkpoint import CheckpointIdeator
from ideator_rl.ideators.ideator import Executed, Ideator
from ideator_rl.ideators.language_model.language_model import LanguageModel
from ideator_rl.ideators.language_model.model_folder import find_model, fingerprint
from ideator_rl.ideators.plugin import PluginIdeator
from ideator_rl.kept.recipe import check_recipe, keep_recipe
from ideator_rl.kept.weights import keep_weights
from ideator_rl.open_executor import open_executor
from ideator_rl.recipe.sections import code_model, prompt_for
from ideator_rl.search.loop import execute, run_baselines, trial_or_end
from ideator_rl.terminal.progress import counting, progress

RECIPE = "recipe.yaml"


@dataclass(frozen=True)
class Prepared:
    """An evaluation that can start. `out` is its folder; `weights` are the models' fingerprints,
    `ideators` those of the models that have samples missing, `others` those of the other rows,
    `shown` the earlier ideas in the models' prompts."""

    recipe: EvaluationRecipe
    problem: Problem
    out: Storage
    weights: Mapping[str, str]
    ideators: Mapping[str, CheckpointIdeator]
    others: Mapping[str, Ideator]
    shown: Sequence[Executed]


def prepare(recipe: EvaluationRecipe) -> Prepared:
    """Checks everything that can be checked without loading weights. Raises UserError."""
    problem = find_problem(recipe.env, recipe.problem)
    folders = {name: find_model(name) for name in recipe.models}
    out = open_storage(recipe.out_url)
    text = out.read(RECIPE)
    check_recipe(text.decode() if text else None, recipe, "--out")
    kept = SampleFile(out)
    ideators = {
        name: CheckpointIdeator(
            LanguageModel(folder),
            problem,
            prompt=recipe.prompt,
            default_prompt=prompt_for(recipe.implementer),
            max_tokens=recipe.max_tokens,
            temperature=recipe.temperature,
        )
        for name, folder in folders.items()
        if kept.missing(name, recipe.n)
    }
    weights = {name: fingerprint(folder) for name, folder in folders.items()}
    others: dict[str, Ideator] = {
        f"{API_ROWS}{name}": _open_api(recipe, problem, name)
        for name in recipe.apis
        if kept.missing(f"{API_ROWS}{name}", recipe.n)
    }
    others |= {
        f"{PLUGIN_ROWS}{name}": PluginIdeator(settings, problem, f"plugins.{name}")
        for name, settings in recipe.plugins.items()
        if kept.missing(f"{PLUGIN_ROWS}{name}", recipe.n)
    }
    shown = shown_ideas(recipe, problem, out)
    return Prepared(recipe, problem, out, weights, ideators, others, shown)


def _open_api(recipe: EvaluationRecipe, problem: Problem, name: str) -> ApiIdeator:
    """Its replies are kept in the run. Raises UserError where a key or a package is missing."""
    run = Store(recipe.store).run(recipe.run)
    journal = Journal(f"{run.url}/llm/ideator-{name}")
    return ApiIdeator(open_llm(recipe.apis[name], journal, f"apis.{name}"), problem)


@contextmanager
def begin(ready: Prepared) -> Iterator[Executor]:
    """The executor of the run, which keeps what it is about. Raises UserError where the run or the
    folder has begun as another evaluation."""
    recipe = ready.recipe
    with open_executor(recipe, ready.problem, seed=recipe.trial_seed) as executor:
        keep_weights(executor.run, ready.weights, "--out")
        keep_recipe(executor.run, recipe)
        keep_shown(ready.out, ready.shown)
        if ready.out.url != executor.run.url:
            ready.out.write(RECIPE, recipe.to_yaml().encode())
        yield executor


def evaluate(ready: Prepared, executor: Executor) -> Evaluation:
    """Samples what is missing, executes what has not run. Raises UserError when a model cannot be
    loaded or the baseline does not complete."""
    recipe, kept = ready.recipe, SampleFile(ready.out)
    labels = row_labels(recipe)
    sample_library(recipe, ready.problem, kept)
    if ready.others:
        asyncio.run(_sample_others(ready, executor, kept))
    for name, ideator in ready.ideators.items():
        with counting(len(kept.missing(name, recipe.n)), f"sampling {labels[name]}") as show:
            try:
                sample_model(recipe, name, ideator, kept, show, ready.shown)
            finally:
                ideator.model.close()  # the next one has the memory to itself
    rows = {name: kept.row(name) for name in (*labels, LIBRARY_ROW) if kept.row(name)}
    ideas = list(distinct_ideas(rows, labels))
    baselines, outcomes = asyncio.run(_execute(recipe, executor, ideas))
    return figures(recipe, executor, rows, outcomes, baselines)


async def _sample_others(ready: Prepared, executor: Executor, kept: SampleFile) -> None:
    """Samples what no model on this machine writes, beside the trials of the baseline."""
    recipe, labels = ready.recipe, row_labels(ready.recipe)
    async with task_group() as tasks:
        work = run_baselines(executor, _seeds(recipe), lambda idea, outcome: None)
        await trial_or_end(executor, tasks.create_task(work))
        for row, other in ready.others.items():
            with counting(len(kept.missing(row, recipe.n)), f"sampling {labels[row]}") as show:
                await sample_ideator(recipe, row, other, kept, show)
            if not kept.row(row):
                raise UserError(f"{labels[row]} proposed no idea, so there is nothing to evaluate")


def _seeds(recipe: EvaluationRecipe) -> range:
    """Those of the baseline's trials."""
    return range(recipe.trial_seed, recipe.trial_seed + recipe.executor.baseline_seeds)


def distinct_ideas(
    rows: Mapping[str, Sequence[Sample]], labels: Mapping[str, str]
) -> Iterator[Idea]:
    """Every text once, named by its hash; the rows take turns, so that a machine that slows down
    favours nobody."""
    seen = set()
    for turn in zip_longest(*rows.values()):
        for sample in filter(None, turn):
            if sample.text not in seen:
                seen.add(sample.text)
                meta = {"title": sample.title, "thinking": sample.thinking}
                origin = labels.get(sample.row, sample.row)
                yield Idea(as_idea(sample.text).id, sample.text, origin=origin, meta=meta)


async def _execute(
    recipe: EvaluationRecipe, executor: Executor, ideas: Sequence[Idea]
) -> tuple[list[Outcome], dict[str, Outcome]]:
    with progress(len(ideas)) as show:
        async with task_group() as tasks:
            baselines = tasks.create_task(run_baselines(executor, _seeds(recipe), show))
            await trial_or_end(executor, baselines)
            outcomes = await execute(executor, ideas, show)
    if any(outcome.status == "cancelled" for outcome in outcomes):
        raise UserError("not every idea was executed; the same command goes on from here")
    return baselines.result(), {outcome.idea_id: outcome for outcome in outcomes}


def figures(
    recipe: EvaluationRecipe,
    executor: Executor,
    rows: Mapping[str, Sequence[Sample]],
    outcomes: Mapping[str, Outcome],
    baselines: Sequence[Outcome],
) -> Evaluation:
    """The figures of samples and outcomes, the latter by idea."""
    labels = row_labels(recipe)
    drawn = []
    for name, samples in rows.items():
        ideas = [_written(sample) for sample in samples]
        kind: RowKind = "checkpoint" if name in recipe.models else "library"
        model = name
        if name.startswith(API_ROWS) and name in labels:
            kind, model = "api", recipe.apis[labels[name]].model
        elif name.startswith(PLUGIN_ROWS) and name in labels:
            kind, model = "plugin", recipe.plugins[labels[name]].name
        ended = [outcomes[idea.idea_id] for idea in ideas]
        drawn.append(Drawn(labels.get(name, name), kind, model, ideas, ended))
    header = EvaluationHeader(
        env=recipe.env,
        problem=executor.problem.name,
        title=executor.problem.file.title,
        run=recipe.run,
        url=executor.run.url,
        n=recipe.n,
        k=recipe.sizes,
        seed=recipe.seed,
        trial_seed=recipe.trial_seed,
        temperature=recipe.temperature,
        implementer=code_model(recipe.implementer),
        sandbox=str(executor.sandbox),
        recipe=recipe.to_yaml(),
    )
    return summarize(header, drawn, baselines)


def _written(sample: Sample) -> WrittenIdea:
    return WrittenIdea(
        as_idea(sample.text).id,
        sample.text,
        sample.title,
        sample.thinking_tokens,
        sample.idea_tokens,
        sample.seconds,
        sample.cost,
    )
