"""Small random weights, for models that are corrupted (`broken`) or make embeddings (`embedding`)."""

from __future__ import annotations

import numpy as np

from support.models.llama import Half, Shape, TinyModel
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

    def matrix(rows: int, columns: int, spread: float = 1.0) -> Half:
        drawn: Half = (draw.standard_normal((rows, columns)) * spread / np.sqrt(columns)).astype(np.float16)
        return drawn

    size, ones = len(vocabulary.tokens), np.ones(width, np.float16)
    weights: dict[str, Half] = {
        "token_embd.weight": matrix(size, width, np.sqrt(width)),
        "output.weight": matrix(size, width),
        "output_norm.weight": ones,
    }
    weights["token_embd.weight"][:, -1] = CONSTANT
    for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
        weights[f"blk.0.{name}.weight"] = matrix(width, width)
    for name in ("ffn_gate", "ffn_up"):
        weights[f"blk.0.{name}.weight"] = matrix(shape.feed_forward, width)
    weights["blk.0.ffn_down.weight"] = matrix(width, shape.feed_forward)
    for name in ("attn_output", "ffn_down"):
        weights[f"blk.0.{name}.weight"][-1] = 0
    for name in ("attn_norm", "ffn_norm"):
        weights[f"blk.0.{name}.weight"] = ones
    return TinyModel(shape, vocabulary, weights)
