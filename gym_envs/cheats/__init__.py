"""The cheats: ideas that attack the executor instead of the problem, each with its expected end.

    for cheat in CHEATS:
        print(cheat.name, cheat.tries)

`make test` runs the quick ones, `make test-cheats` all of them: on a classifier and on a language
model, under every lock that the machine gives.
"""

from gym_envs.cheats import (
    candidate,
    clock,
    examination,
    examiner,
    frames,
    heldout,
    host,
    leftovers,
    logits,
    memory,
    metrics,
    network,
    processes,
    resources,
    weights,
)
from gym_envs.cheats.cheat import Cheat

CHEATS: tuple[Cheat, ...] = (
    *metrics.CHEATS,
    *examiner.CHEATS,
    *heldout.CHEATS,
    *network.CHEATS,
    *logits.CHEATS,
    *frames.CHEATS,
    *examination.CHEATS,
    *candidate.CHEATS,
    *weights.CHEATS,
    *memory.CHEATS,
    *resources.CHEATS,
    *processes.CHEATS,
    *clock.CHEATS,
    *host.CHEATS,
    *leftovers.CHEATS,
)
