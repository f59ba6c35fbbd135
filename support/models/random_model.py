"""Small random weights, for models that are corrupted (`broken`) or make embeddings (`embedding`)."""

from __future__ import annotations

import numpy as np

from support.models.llama import Shape, TinyModel, blank_weights, rounded
from support.models.vocabulary import base_vocabulary

CONTEXT = 512
"""Tokens."""

CONSTANT = 2.0
"""The last dimension of every embedding, which no layer writes."""

SEED = 0


def random_model(width: int) -> TinyModel:
    """A llama of one layer with random weights, the same ones each time. width: a multiple of 64."""
    draw = np.random.default_rng(SEED)
    vocabulary = base_vocabulary()
    shape = Shape(width, layers=1, feed_forward=2 * width, context=CONTEXT)
    weights = blank_weights(shape, len(vocabulary.tokens))
    embedding = weights["token_embd.weight"]
    for matrix in weights.values():
        if matrix.ndim > 1:
            # A product keeps the size of its input; the numbers of an embedding are of size 1.
            scale = 1 if matrix is embedding else np.sqrt(matrix.shape[1])
            matrix[:] = draw.standard_normal(matrix.shape) / scale
    embedding[:, -1] = CONSTANT
    for name in ("attn_output", "ffn_down"):
        weights[f"blk.0.{name}.weight"][-1] = 0
    return rounded(shape, vocabulary, weights)
