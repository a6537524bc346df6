"""What a small grid demands in an hour: a secret product of habits, weather and growth.

Each part is drawn in its shape, not in its size, so that every secret gives a problem as hard.
"""

import numpy as np

LEVEL, SPREAD = 900.0, 0.35  # MW at the median, and the standard deviation of the logarithm
NOISE = 0.01  # share of the variance of the logarithm


def demand_of(rows_ND: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The demand (N,) in MW of each row of `weather.two_years`."""
    signal_N, noise_N = signal_of(rows_ND, rng), rng.standard_normal(len(rows_ND))
    # Evenings and windy hours are the hardest to tell.
    loudness_N = 1 + 0.8 * bump(rows_ND[:, 0], 19, 3) + 0.1 * rows_ND[:, 9]
    noise_N *= loudness_N / np.sqrt(np.mean(loudness_N**2))
    return LEVEL * np.exp(SPREAD * (signal_N + np.sqrt(NOISE) * noise_N))


def signal_of(rows_ND: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The logarithm of the demand without noise, centred and of a spread just below one."""
    hour, weekday, day_of_year, day, holiday, now, _, before, sunshine, wind = rows_ND.T
    free = np.maximum(weekday >= 5, holiday)
    year = 2 * np.pi * day_of_year / 365

    smooth = np.cos(2 * np.pi * (hour - rng.uniform(14, 16)) / 24)
    morning, evening = rng.uniform(7, 9), rng.uniform(18, 20)
    sharp = bump(hour, morning, 0.9) + rng.uniform(0.8, 1.2) * bump(hour, evening, 1.2)
    late = bump(hour, morning + 3, 1.2) - 1.2 * bump(hour, morning, 1)
    late -= rng.uniform(0.3, 0.7) * bump(hour, evening, 1.5)

    lag = rng.uniform(0.55, 0.8)
    felt = (1 - lag) * now + lag * before
    heating = np.maximum(rng.uniform(13, 15) - felt, 0) / 10
    cooling = np.maximum(felt - rng.uniform(17, 19), 0) / 10
    thermal = heating + rng.uniform(1.8, 2.4) * cooling
    by_hour = bump(hour, morning, 1.2) + bump(hour, evening, 2) - bump(hour, 3, 2)
    thermal_by_hour = heating * by_hour + 2 * cooling * bump(hour, 15, 2.5)

    season = np.cos(2 * (year - rng.uniform(0, 2 * np.pi)))
    trend = day / 730 + 0.3 * np.sin(2 * np.pi * (day / 500 + rng.uniform()))
    parts = (
        (0.90, smooth),
        (0.40, sharp),
        (0.22, free + 0.3 * (weekday == 6)),
        (0.28, free * late),
        (0.46, thermal),
        (0.28, thermal_by_hour),
        (0.05, season),
        (0.06, trend),
        (0.05, -sunshine),
        (0.05, wind * heating),
    )
    signal = np.sum([size * standard(part) for size, part in parts], axis=0)
    return np.sqrt(1 - NOISE) * standard(signal)


def bump(hour: np.ndarray, at: float, width: float) -> np.ndarray:
    """One at the hour `at`, falling like a bell around the clock."""
    distance = (hour - at + 12) % 24 - 12
    return np.exp(-0.5 * (distance / width) ** 2)


def standard(value_N: np.ndarray) -> np.ndarray:
    return (value_N - value_N.mean()) / value_N.std()
