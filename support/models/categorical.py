"""The known-distribution model: whatever the prompt is, each token is sampled from the same sixteen words.

The distribution is known, so the effect of every sampling parameter can be computed. At temperature T word
number i has the probability exp(-STEP * i / T), normalised; the words are in alphabetical order, likeliest
first. The answer never ends by itself.

The weights: the residual stream of every token is one constant, attention and feed-forward are zero, and the
head gives each token its logit. All these numbers are exact in F16 and in bfloat16. The words are tokens of
their own that no prompt contains, so a penalty counts only what was generated.
"""

from __future__ import annotations

from support.models.llama import HEAD_SIZE, Shape, TinyModel, blank_weights, rounded
from support.models.vocabulary import words_vocabulary

_NAMES = "amber birch cedar delta ember fjord grove heath inlet jetty knoll larch maple nadir ocean pearl"
WORDS = tuple(f"{name}." for name in _NAMES.split())

STEP = 0.25
"""Between the logits of neighbouring words, in nats."""

HIGHEST = 8.0
"""The logit of the first word. All are above zero: a penalty that divides makes each less likely."""

OTHER_LOGIT = -40.0
"""The logit of any other token: all of them together are drawn once in 10^17 tokens."""

# The normed constant: with 64 dimensions, the square root of their number.
CONSTANT = 8.0


def categorical_model() -> TinyModel:
    """The model in memory; the ids of the words begin at BASE_SIZE of the vocabulary."""
    vocabulary = words_vocabulary(WORDS)
    shape = Shape(width=HEAD_SIZE, layers=1, feed_forward=HEAD_SIZE, context=4096)
    weights = blank_weights(shape, len(vocabulary.tokens))
    weights["token_embd.weight"][:, -1] = CONSTANT
    head = weights["output.weight"]
    head[:, -1] = OTHER_LOGIT / CONSTANT
    for (token,), logit in zip(vocabulary.answer_ids, logits(), strict=True):
        head[token, -1] = logit / CONSTANT
    return rounded(shape, vocabulary, weights)


def logits() -> list[float]:
    """Of each word, in their order."""
    return [HIGHEST - STEP * number for number in range(len(WORDS))]
