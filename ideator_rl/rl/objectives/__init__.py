"""What a step of training wants of a group of ideas: one small module an objective.

    objective: {kind: max_at_k, k: 8}        # in a GRPO recipe

`group.py` has the contract, `settings.py` the choice, `signal.py` what changes rewards before.
"""
