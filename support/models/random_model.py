"""Small random weights, for sampling, throughput and fuzz: fluent nonsense that never ends by itself."""

from __future__ import annotations

import numpy as np

from support.models.llama import HEAD_SIZE, Half, Shape, TinyModel
from support.models.vocabulary import base_vocabulary

LOGIT_SPREAD = 3.0
"""Standard deviation of a logit: at temperature 1 some dozens of tokens compete."""

CONSTANT, PUSH = 2.0, 20.0
"""In an embedding, and times it, after the last norm, off a logit."""


def random_model(context: int = 4096, width: int = 128, layers: int = 2, seed: int = 0) -> TinyModel:
    """A llama with random weights and the vocabulary of the speaking models.

    The end of the answer, the other specials, fillers and parts of characters are next to never drawn: the
    last dimension of the residual stream is a constant that no layer writes, and it pushes them down.
    ValueError: width is no multiple of 64, or a size is below 1.
    """
    if width % HEAD_SIZE or width < HEAD_SIZE or layers < 1 or context < 1:
        raise ValueError(f"width is a multiple of {HEAD_SIZE}, layers and context at least 1")
    draw = np.random.default_rng(seed)
    vocabulary = base_vocabulary()
    shape = Shape(width, layers, feed_forward=2 * width, context=context)

    def matrix(rows: int, columns: int, spread: float = 1.0) -> Half:
        drawn: Half = (draw.standard_normal((rows, columns)) * spread / np.sqrt(columns)).astype(np.float16)
        return drawn

    size = len(vocabulary.tokens)
    embedding = matrix(size, width, np.sqrt(width))
    embedding[:, -1] = CONSTANT
    head = matrix(size, width, LOGIT_SPREAD)
    head[:, -1] = 0
    for token in range(size):
        if not vocabulary.whole_characters(token) or vocabulary.tokens[token].startswith("[filler"):
            head[token] = 0
            head[token, -1] = -PUSH
    weights: dict[str, Half] = {
        "token_embd.weight": embedding,
        "output.weight": head,
        "output_norm.weight": np.ones(width, np.float16),
    }
    for layer in range(layers):
        block = f"blk.{layer}."
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            weights[f"{block}{name}.weight"] = matrix(width, width)
        for name in ("ffn_gate", "ffn_up"):
            weights[f"{block}{name}.weight"] = matrix(shape.feed_forward, width)
        weights[f"{block}ffn_down.weight"] = matrix(width, shape.feed_forward)
        for name in ("attn_output", "ffn_down"):
            weights[f"{block}{name}.weight"][-1] = 0
        for name in ("attn_norm", "ffn_norm"):
            weights[f"{block}{name}.weight"] = np.ones(width, np.float16)
    return TinyModel(shape, vocabulary, weights)
