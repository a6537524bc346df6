"""Whether a packing is one, and the sum of its radii, which is computed here and nowhere else."""

import importlib.util

import numpy as np
from openevolve.evaluation_result import EvaluationResult

CIRCLES = 26
TOLERANCE = 1e-9
PUBLISHED = 2.635  # AlphaEvolve's


def load(program_path):
    spec = importlib.util.spec_from_file_location("program", program_path)
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    return program


def what_is_wrong(centers, radii):
    """Why this is no packing; empty where it is one."""
    if centers.shape != (CIRCLES, 2) or radii.shape != (CIRCLES,):
        return f"shapes {centers.shape} and {radii.shape}"
    if not (np.isfinite(centers).all() and np.isfinite(radii).all()):
        return "a number is not finite"
    if (radii < 0).any():
        return "a radius is negative"
    if (np.minimum(centers, 1 - centers).min(axis=1) < radii - TOLERANCE).any():
        return "a circle reaches over the border"
    between = np.linalg.norm(centers[:, None] - centers[None], axis=-1)
    np.fill_diagonal(between, np.inf)
    if (between < radii[:, None] + radii[None] - TOLERANCE).any():
        return "two circles overlap"
    return ""


def evaluate_stage1(program_path):
    """A program that has the function at all."""
    has_it = callable(getattr(load(program_path), "run_packing", None))
    return {"combined_score": 1.0} if has_it else {"error": "there is no run_packing()"}


def evaluate_stage2(program_path):
    return evaluate(program_path)


def evaluate(program_path):
    centers, radii = load(program_path).run_packing()
    centers, radii = np.array(centers, float), np.array(radii, float)
    if wrong := what_is_wrong(centers, radii):
        return {"error": wrong}
    metrics = {"combined_score": radii.sum(), "of_published": radii.sum() / PUBLISHED}
    return EvaluationResult(metrics, {"smallest": f"the smallest radius is {radii.min():.4f}"})
