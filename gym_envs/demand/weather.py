"""Two years of calendar and weather, hour by hour."""

import numpy as np

COLUMNS = (
    "hour",  # 0..23
    "weekday",  # 0..6, of which 5 and 6 are the weekend
    "day_of_year",  # 0..364
    "day",  # since the first of January of the first year, 0..729
    "holiday",  # 0 or 1
    "temperature",  # in degrees Celsius
    "last_6_hours",  # the mean temperature of the six hours before
    "last_24_hours",  # and of the 24 hours before
    "sunshine",  # 0..1 of the strongest sun
    "wind",  # in metres a second
)
DAYS, BEFORE = 730, 24
HOLIDAYS = 14  # a year


def two_years(rng: np.random.Generator) -> np.ndarray:
    """All rows (17520, 10), in the order of time."""
    time_N = np.arange(-BEFORE, DAYS * 24)
    hour_N, day_N = time_N % 24, time_N // 24
    year_N = 2 * np.pi * (day_N - rng.uniform(10, 30)) / 365

    cloud_N = 1 / (1 + np.exp(-2 * wandering(rng, len(time_N), 0.97)))
    length_N = 12 - 4 * np.cos(year_N)
    sun_N = np.clip(np.cos(np.pi * (hour_N - 12.5) / length_N), 0, None)
    sun_N *= (np.abs(hour_N - 12.5) < length_N / 2) * (0.7 - 0.3 * np.cos(year_N))
    sunshine_N = sun_N * (1 - 0.8 * cloud_N)
    wind_N = 4 * np.exp(0.5 * wandering(rng, len(time_N), 0.95))

    temperature_N = rng.uniform(10, 13) - rng.uniform(9, 11) * np.cos(year_N)
    temperature_N += 4 * wandering(rng, len(time_N), 0.985) + 3 * (sunshine_N - 0.3)
    temperature_N -= rng.uniform(2.5, 3.5) * np.cos(2 * np.pi * (hour_N - 4) / 24)

    days_off = np.concatenate([y * 365 + rng.choice(365, HOLIDAYS, False) for y in (0, 1)])
    columns = (
        hour_N,
        (day_N + rng.integers(7)) % 7,
        day_N % 365,
        day_N,
        np.isin(day_N, days_off),
        temperature_N,
        mean_before(temperature_N, 6),
        mean_before(temperature_N, 24),
        sunshine_N,
        wind_N,
    )
    return np.stack(columns, axis=1)[BEFORE:].astype(float)


def wandering(rng: np.random.Generator, hours: int, memory: float) -> np.ndarray:
    """Noise of unit variance that forgets a share 1 - memory of itself in an hour."""
    shock_N = np.sqrt(1 - memory**2) * rng.standard_normal(hours)
    value_N = np.empty(hours)
    value = rng.standard_normal()
    for i in range(hours):
        value = memory * value + shock_N[i]
        value_N[i] = value
    return value_N


def mean_before(value_N: np.ndarray, hours: int) -> np.ndarray:
    """The mean of the `hours` values before each; the first ones have fewer."""
    total_N = np.concatenate([[0.0], np.cumsum(value_N)])
    end_N = np.maximum(np.arange(len(value_N)), 1)
    start_N = np.maximum(end_N - hours, 0)
    return (total_N[end_N] - total_N[start_N]) / (end_N - start_N)
