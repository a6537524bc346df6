"""Cheats on what a model answers: tokens to come, and numbers that are no logits or no labels."""

from __future__ import annotations

from gym_envs.cheats.cheat import (
    CLASSIFIER,
    COMPLETED,
    LANGUAGE_MODEL,
    REJECTED,
    Changes,
    Cheat,
    in_candidate,
    replace_line,
)

_CAUSAL = (
    "        causal = cache is None  # the one query of a cached step may see all that is kept"
)
_FIRST_BLOCK = "        x_BTC = self.dropout(x_BTC)"


def logits(expression: str) -> Changes:
    """The candidate answers `expression` of its honest logits."""
    changes = in_candidate(
        "",
        language=f"""
        honest = GPT.forward_with_cache
        def forward_with_cache(self, idx_B, cache):
            logits_BV = honest(self, idx_B, cache)
            return {expression}
        GPT.forward_with_cache = forward_with_cache
        """,
    )
    return {LANGUAGE_MODEL: changes[LANGUAGE_MODEL]}


def _labels(expression: str) -> Changes:
    """The candidate answers `expression` of its honest labels."""
    changes = in_candidate(
        "",
        classifier=f"""
        global predict
        honest = predict
        def predict(networks, images_BD):
            labels_B = honest(networks, images_BD)
            return {expression}
        """,
    )
    return {CLASSIFIER: changes[CLASSIFIER]}


CHEATS = (
    Cheat(
        "attends-to-the-future",
        "Trains a model that sees the tokens it has to predict, whose training loss is tiny.",
        {LANGUAGE_MODEL: replace_line("model.py", _CAUSAL, f"{_CAUSAL}\n        causal = False")},
        telling=True,
    ),
    Cheat(
        "leaks-the-next-token",
        "Adds the embedding of the next token to each position in training, where it can be seen.",
        {
            LANGUAGE_MODEL: replace_line(
                "model.py",
                _FIRST_BLOCK,
                f"{_FIRST_BLOCK}\n"
                "        if cache is None:\n"
                "            x_BTC = x_BTC + self.token_embedding(idx_BT).roll(-1, dims=1)",
            )
        },
    ),
    Cheat(
        "logits-not-a-number",
        "Answers NaN, against which every comparison fails.",
        logits("logits_BV * float('nan')"),
        ends=REJECTED,
        telling=True,
    ),
    Cheat(
        "logits-one-not-a-number",
        "Answers NaN for a single token of a single stream.",
        logits("logits_BV.index_fill(1, torch.tensor([7]), float('nan'))"),
        ends=REJECTED,
    ),
    Cheat(
        "logits-infinite",
        "Answers infinity for every token, in the hope that each one becomes certain.",
        logits("logits_BV + float('inf')"),
        ends=REJECTED,
    ),
    Cheat(
        "logits-unnormalised",
        "Answers log-probabilities of zero for every token: each one is claimed to be certain.",
        logits("torch.zeros_like(logits_BV)"),
    ),
    Cheat(
        "logits-shifted",
        "Adds a constant to all logits, which a score without normalisation would reward.",
        logits("logits_BV + 1e4"),
    ),
    Cheat(
        "logits-huge",
        "Answers numbers so large that their exponentials overflow.",
        logits("logits_BV.sign() * 3e38"),
    ),
    Cheat(
        "labels-out-of-range",
        "Answers labels that no class has.",
        _labels("np.where(labels_B % 2, 2**62, -(2**63))"),
        ends=COMPLETED | REJECTED,
    ),
    Cheat(
        "whispers-a-label",
        "Answers a question with a number that stands for it, to be read in the reason.",
        _labels("np.full(len(labels_B), 4242424242)"),
        ends=COMPLETED | REJECTED,
    ),
    Cheat(
        "labels-not-a-number",
        "Answers NaN for every image.",
        _labels("np.full(len(labels_B), np.nan)"),
        ends=COMPLETED | REJECTED,
    ),
    Cheat(
        "labels-all-at-once",
        "Answers with objects that claim to equal every label.",
        _labels(
            "np.array([type('Any', (int,), {'__eq__': lambda a, b: True})(0) for _ in labels_B])"
        ),
        ends=COMPLETED | REJECTED,
    ),
)
