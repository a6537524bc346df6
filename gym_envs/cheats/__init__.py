"""The cheats: ideas that attack the executor instead of the problem, each with its expected end.

    for cheat in CHEATS:
        print(cheat.name, cheat.tries)

`make test` runs the quick ones, `make test-cheats` all of them: on a classifier, on a language
model and on a policy, in every sandbox that the machine gives.
"""

from gym_envs.cheats import (
    accounting,
    candidate,
    clock,
    counters,
    examination,
    examiner,
    frames,
    heldout,
    host,
    imported,
    injection,
    leftovers,
    logits,
    lookalikes,
    memory,
    metrics,
    network,
    payload,
    processes,
    recall,
    resources,
    shared_kernel,
    stubborn,
    thinking,
    warm_start,
    weights,
)
from gym_envs.cheats.cheat import Cheat

CHEATS: tuple[Cheat, ...] = (
    *metrics.CHEATS,
    *examiner.CHEATS,
    *lookalikes.CHEATS,
    *heldout.CHEATS,
    *recall.CHEATS,
    *network.CHEATS,
    *logits.CHEATS,
    *frames.CHEATS,
    *examination.CHEATS,
    *payload.CHEATS,
    *candidate.CHEATS,
    *weights.CHEATS,
    *thinking.CHEATS,
    *memory.CHEATS,
    *resources.CHEATS,
    *accounting.CHEATS,
    *processes.CHEATS,
    *warm_start.CHEATS,
    *stubborn.CHEATS,
    *clock.CHEATS,
    *host.CHEATS,
    *injection.CHEATS,
    *shared_kernel.CHEATS,
    *counters.CHEATS,
    *leftovers.CHEATS,
    *imported.CHEATS,
)
