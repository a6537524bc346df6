"""MATH and the model to start from, as for the problem grpo, with all the problems to train on.

    ideator-rl envs prepare grpo-paper                      # both from the Hugging Face hub
    ideator-rl envs prepare grpo-paper --source folder/     # from train.jsonl and test.jsonl in it

The paper trains on 12,000 problems and holds 500 out. Here 500 of the 12,000 are kept for the end
of a search. `math_problems.py` is the script of grpo, which tells the rest.
"""

import math_problems

math_problems.TRAIN_ROWS = 12_000
prepare = math_problems.prepare
