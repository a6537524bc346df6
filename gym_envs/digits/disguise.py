"""Images as another hand would have drawn them: none can be looked up in the public collection.

    disguise(images_ND, rng)    # the same shape and range; the labels still hold

One map of the plane, drawn from `rng`, is applied to all images: the square is turned or mirrored,
then turned a little, slanted, stretched and warped smoothly, and the ink is darker or lighter. So
what is known of the public images does not fit. On top of it each image gets a small map and noise
of its own, so that no table of known images holds it.
Shapes: N images, D pixels (64), P coordinates of a point, R rows, C columns.
"""

import numpy as np
from numpy import ndarray

SIDE, WHITE = 8, 16
# Of the map that all images share: radians, slope, logarithm of the scale, pixels, log of gamma.
TURN, SHEAR, STRETCH, WARP, TONE = (0.15, 0.3), 0.2, 0.1, 0.25, 0.2
# Of each image's own, standard deviations: of the affine map's entries, pixels, grey levels.
OWN_AFFINE, OWN_SHIFT, NOISE = 0.04, 0.2, 0.7


def disguise(images_ND: ndarray, rng: np.random.Generator) -> ndarray:
    """The images as float32 whole numbers of 0..16, which those that come in are, too."""
    shared_PP, warp_DP = shared_affine(rng), smooth_warp(rng)
    gamma = np.exp(rng.uniform(-TONE, TONE))
    own_NPP = np.eye(2) + OWN_AFFINE * rng.standard_normal((len(images_ND), 2, 2))
    own_shift_N1P = OWN_SHIFT * rng.standard_normal((len(images_ND), 1, 2))
    points_NDP = ((pixels() + warp_DP) @ own_NPP + own_shift_N1P) @ shared_PP
    moved_ND = sample(images_ND / WHITE, points_NDP) ** gamma
    noise_ND = NOISE * rng.standard_normal(moved_ND.shape)
    return np.clip(np.round(WHITE * moved_ND + noise_ND), 0, WHITE).astype(np.float32)


def pixels() -> ndarray:
    """The centres of all pixels (D, P), row by row; the middle of the image is the origin."""
    return np.indices((SIDE, SIDE)).reshape(2, -1).T - (SIDE - 1) / 2


def shared_affine(rng: np.random.Generator) -> ndarray:
    """A symmetry of the square other than none at all, then a turn, a shear and a stretch."""
    quarters, mirrored = divmod(rng.integers(1, 8), 2)
    angle = quarters * np.pi / 2 + rng.choice([-1, 1]) * rng.uniform(*TURN)
    turn_PP = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shear_PP = np.array([[1, rng.uniform(-SHEAR, SHEAR)], [0, 1]])
    stretch_PP = np.diag(np.exp(rng.uniform(-STRETCH, STRETCH, 2)))
    return stretch_PP @ shear_PP @ turn_PP @ np.diag([1, -1 if mirrored else 1])


def smooth_warp(rng: np.random.Generator) -> ndarray:
    """How far each pixel is moved (D, P), in pixels: a sum of slow waves."""
    warp_DP = np.zeros((SIDE * SIDE, 2))
    for _ in range(4):
        wave_P, phase = rng.normal(0, 0.45, 2), rng.uniform(0, 2 * np.pi)
        warp_DP += rng.normal(0, WARP, 2) * np.sin(pixels() @ wave_P + phase)[:, None]
    return warp_DP


def sample(images_ND: ndarray, points_NDP: ndarray) -> ndarray:
    """The images' values between pixels, by cubic interpolation; outside of them is nothing."""
    places_NDP = points_NDP + (SIDE - 1) / 2
    rows_NDR = cubic(places_NDP[..., :1] - np.arange(SIDE))
    columns_NDC = cubic(places_NDP[..., 1:] - np.arange(SIDE))
    images_NRC = images_ND.reshape(-1, SIDE, SIDE)
    values_ND = np.einsum("ndr,nrc,ndc->nd", rows_NDR, images_NRC, columns_NDC, optimize=True)
    return np.clip(values_ND, 0, 1)


def cubic(distance: ndarray) -> ndarray:
    """Catmull-Rom's weights of pixels at a distance: linear ones would blur small images."""
    t = np.abs(distance)
    near, far = (1.5 * t - 2.5) * t * t + 1, ((2.5 - 0.5 * t) * t - 4) * t + 2
    return np.where(t < 1, near, np.where(t < 2, far, 0.0))
