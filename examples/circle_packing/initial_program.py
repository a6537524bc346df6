# EVOLVE-BLOCK-START
"""Packs 26 circles into the unit square, with a large sum of radii."""

import numpy as np

circles = 26
starts = 1
spread = 0.0


def first_centers(rng):
    """A grid of five by five, and one circle more in a gap."""
    line = np.linspace(0.1, 0.9, 5)
    grid = np.array([(x, y) for x in line for y in line])
    centers = np.vstack([grid, [0.2, 0.2]])
    return np.clip(centers + spread * rng.standard_normal(centers.shape), 0.01, 0.99)


def improved(centers, rng):
    """Better places for the same circles."""
    return centers


def largest_radii(centers):
    """Radii that fit: half the way to the nearest neighbour, or the way to the border."""
    between = np.linalg.norm(centers[:, None] - centers[None], axis=-1)
    np.fill_diagonal(between, np.inf)
    border = np.minimum(centers, 1 - centers).min(axis=1)
    return np.minimum(border, between.min(axis=1) / 2)


def construct_packing():
    """The best of several packings."""
    rng = np.random.default_rng(0)
    packings = []
    for _ in range(starts):
        centers = improved(first_centers(rng), rng)
        packings.append((centers, largest_radii(centers)))
    return max(packings, key=lambda packing: packing[1].sum())


# EVOLVE-BLOCK-END


def run_packing():
    """What the evaluator asks for: centers (26, 2) and radii (26,)."""
    return construct_packing()
