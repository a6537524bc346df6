"""From a problem and a codebase to a trial's specification, and from a trial to an outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from executor.data.prepared import PreparedData
from executor.problem.problem import Problem
from executor.records import Idea, Outcome, Trial
from executor.text.outside_text import clean_line
from executor.trial.spec import TrialSpec

LONGEST_DETAIL = 2000


def trial_spec(
    problem: Problem,
    data: PreparedData,
    files: Mapping[str, str],
    seed: int,
    *,
    final: bool = False,
) -> TrialSpec:
    """The specification of one run of `files` with `seed`; with `final`, it is also examined on the
    final part of the held-out data, where the problem has one."""
    file = problem.file
    own = file.run.candidate_preload
    # Unpatched code is the problem's own, as trusted as its examiner. It looks for no copies, and
    # need not wait until all of the system has been searched for them.
    hidden = () if files == problem.codebase else data.hidden
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
        final=str(data.final) if final and data.final else None,
        hidden=[str(path) for path in (*hidden, problem.folder)],
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
    """The outcome of a trial: a completed one earns its reward, any other the failure reward.

    An implausible reward is rejected.
    """
    reward, final_reward = problem.file.reward.failure, None
    if trial.status == "completed":
        if problem.file.reward.metric == "charged_s":
            charged = {"charged_s": round(trial.charged_s, 4)}
            final = {**trial.final, **charged} if trial.final else {}
            trial = replace(trial, metrics={**trial.metrics, **charged}, final=final)
        try:
            earned = problem.reward(trial.metrics)
            final_reward = problem.reward(trial.final) if trial.final else None
            if why := problem.implausible(max(earned, final_reward or earned)):
                raise ValueError(why)
            reward = earned
            trial = replace(trial, detail=problem.shortfall(trial.metrics))
        except ValueError as error:
            final_reward = None
            trial = replace(trial, status="rejected", stage="examine", detail=str(error))
    return Outcome(
        idea_id=idea.id,
        status=trial.status,
        reward=reward,
        stage=trial.stage,
        final_reward=final_reward,
        seed=seed,
        duration_s=round(trial.ended - trial.started, 4),
        detail=clean_line(trial.detail, LONGEST_DETAIL),
        content_hash=content,
        **trial.measurements(),
    )


def cancelled(problem: Problem, idea: Idea, seed: int, detail: str) -> Outcome:
    """The outcome of an idea that was not executed; it is never stored."""
    failure = problem.file.reward.failure
    return Outcome(idea.id, "cancelled", failure, "implement", seed=seed, detail=detail)
