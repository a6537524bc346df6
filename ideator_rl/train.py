"""GRPO training, as accelerate launches it:

    accelerate launch --quiet --config_file recipes/accelerate_configs/driver.yaml \\
        -m ideator_rl.train --config recipes/digits/grpo/config_qwen3_tiny.yaml [--steps 60 …]

`ideator-rl train` is the same. accelerate starts one process, the driver of verl's trainer; how
many GPUs train is `trainer.n_gpus_per_node` and `trainer.nnodes` in the recipe's `verl:` block.
"""

from __future__ import annotations

import sys

from ideator_rl.cli import main

if __name__ == "__main__":
    main(["train", *sys.argv[1:]])
