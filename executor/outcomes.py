"""From a problem and a codebase to a worker's order, and from its trial to an outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from executor.data import PreparedData
from executor.problem import Problem
from executor.records import Idea, Outcome, Trial
from executor.trial import TrialSpec


def trial_spec(
    problem: Problem, data: PreparedData, files: Mapping[str, str], seed: int
) -> TrialSpec:
    """What a worker has to know to run `files` once with `seed`."""
    file = problem.file
    own = file.run.candidate_preload
    return TrialSpec(
        files=files,
        frozen=problem.frozen_files,
        entry=file.run.entry,
        preload=file.run.preload,
        candidate=file.run.candidate,
        candidate_preload=file.run.preload if own is None else own,
        evaluate=str(problem.evaluate),
        train_data=str(data.train) if data.train else None,
        held_out=str(data.held_out) if data.held_out else None,
        hidden=[str(path) for path in (*data.hidden, problem.folder)],
        budget_kind=file.budget.kind,
        budget_seconds=file.budget.seconds,
        wall_limit=file.budget.wall_limit,
        startup_seconds=file.budget.startup_seconds,
        examine_seconds=file.budget.examine_seconds,
        candidate_seconds=file.budget.candidate_seconds
        or file.budget.examine_seconds * file.resources.cpus,
        seed=seed,
        cpus=file.resources.cpus,
        gpus=file.resources.gpus,
        memory_mib=round(1024 * file.resources.memory_gb),
        disk_mib=round(1024 * file.resources.disk_gb),
        processes=file.resources.processes,
    )


def outcome_of(problem: Problem, idea: Idea, seed: int, trial: Trial, content: str) -> Outcome:
    """The outcome of a trial: a completed one earns its reward, any other the failure reward."""
    reward = problem.file.reward.failure
    if trial.status == "completed":
        if problem.file.reward.metric == "charged_s":
            metrics = {**trial.metrics, "charged_s": round(trial.charged_s, 4)}
            trial = replace(trial, metrics=metrics)
        try:
            reward = problem.reward(trial.metrics)
            trial = replace(trial, detail=problem.shortfall(trial.metrics))
        except ValueError as error:
            trial = replace(trial, status="rejected", stage="examine", detail=str(error))
    return Outcome(
        idea_id=idea.id,
        status=trial.status,
        reward=reward,
        stage=trial.stage,
        metrics=trial.metrics,
        seed=seed,
        duration_s=round(trial.ended - trial.started, 4),
        charged_s=round(trial.charged_s, 4),
        startup_s=round(trial.startup_s, 4),
        train_s=round(trial.train_s, 4),
        examine_s=round(trial.examine_s, 4),
        cpu_s=round(trial.cpu_s, 4),
        memory_mib=round(trial.memory_mib, 1),
        disk_mib=round(trial.disk_mib, 2),
        sandbox=trial.sandbox,
        frozen=trial.frozen,
        detail=trial.detail,
        content_hash=content,
    )


def cancelled(problem: Problem, idea: Idea, seed: int, detail: str) -> Outcome:
    """The outcome of an idea that was not executed; it is never kept."""
    failure = problem.file.reward.failure
    return Outcome(idea.id, "cancelled", failure, "implement", seed=seed, detail=detail)
