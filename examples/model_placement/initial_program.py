GPU_MEMORY = 80  # GB

# EVOLVE-BLOCK-START
"""Places language models on GPUs, so that the most crowded GPU has room for its caches."""

rounds = 0


def load(model):
    """How much of a GPU's time a model wants."""
    return model.req_rate / model.slo


def pressure(placed):
    """The load of a GPU for each GB that its models leave free."""
    return sum(map(load, placed)) / (GPU_MEMORY - sum(model.model_size for model in placed))


def fits(placed, model):
    return sum(other.model_size for other in placed) + model.model_size < GPU_MEMORY


def compute_model_placement(gpu_num, models):
    """For each number of a GPU, the list of the models on it."""
    placement = {gpu: [] for gpu in range(gpu_num)}
    for model in sorted(models, key=load, reverse=True):
        free = [gpu for gpu in placement if fits(placement[gpu], model)]
        placement[min(free, key=lambda gpu: pressure(placement[gpu]))].append(model)
    return improved(placement)


def improved(placement):
    """A better placement of the same models."""
    return placement


# EVOLVE-BLOCK-END
