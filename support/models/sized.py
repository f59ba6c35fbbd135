"""Random models of a chosen size: how speed and memory grow with the weights is no matter of text.

The answers are words of no meaning, and do not end by themselves: only tokens that are plain
letters have a row in the head, all others have a logit of zero.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from support.models.llama import HEAD_SIZE, Half, Shape, TinyModel
from support.models.vocabulary import Vocabulary, base_vocabulary

# The smallest width with a model of so many million weights or more, up to about 30 layers.
_WIDTHS = ((0, HEAD_SIZE), (3, 192), (10, 384), (40, 640), (100, 1024), (300, 1536))
LARGEST = 1000
CONTEXT = 4096
_FEED_FORWARD = 3
# The spread of the logits.
_HEAD = 8.0


@dataclass(frozen=True)
class ModelSize:
    """`weights`: of all matrices, in the model that is nearest to the wanted size."""

    shape: Shape
    weights: int

    @staticmethod
    def of(millions: float, tokens: int) -> ModelSize:
        """Raises ValueError for a size outside of what can be made in memory."""
        if not 0.5 <= millions <= LARGEST:
            raise ValueError(f"a model of 0.5 to {LARGEST} million weights can be made, not of {millions:g}")
        width = max(width for least, width in _WIDTHS if millions >= least)
        ends, layer = 2 * tokens * width, (4 + 3 * _FEED_FORWARD) * width * width
        layers = max(1, round((millions * 1e6 - ends) / layer))
        return ModelSize(Shape(width, layers, _FEED_FORWARD * width, CONTEXT), ends + layers * layer)


def sized_model(millions: float) -> TinyModel:
    """With about so many million weights, the same ones each time."""
    vocabulary = base_vocabulary()
    shape = ModelSize.of(millions, len(vocabulary.tokens)).shape
    return TinyModel(shape, vocabulary, dict(_tensors(shape, vocabulary)))


def _tensors(shape: Shape, vocabulary: Vocabulary) -> Iterator[tuple[str, Half]]:
    """By GGUF name. One after another in F16: all of them in F32 would be twice the memory."""
    draw = np.random.default_rng(0)
    width, inner, tokens = shape.width, shape.feed_forward, len(vocabulary.tokens)

    def matrix(rows: int, columns: int, scale: float) -> Half:
        values = draw.standard_normal((rows, columns), dtype=np.float32) * np.float32(scale)
        return values.astype(np.float16)

    yield "token_embd.weight", matrix(tokens, width, 1.0)
    # A likely token is that by far, so that the others, and the end, are hardly ever sampled.
    head = matrix(tokens, width, _HEAD / np.sqrt(width))
    head[~_plain(vocabulary)] = 0
    yield "output.weight", head
    ones = np.ones(width, np.float16)
    yield "output_norm.weight", ones
    for layer in range(shape.layers):
        # A product keeps the size of its input.
        for part in ("q", "k", "v", "output"):
            yield f"blk.{layer}.attn_{part}.weight", matrix(width, width, 1 / np.sqrt(width))
        for part in ("gate", "up"):
            yield f"blk.{layer}.ffn_{part}.weight", matrix(inner, width, 1 / np.sqrt(width))
        yield f"blk.{layer}.ffn_down.weight", matrix(width, inner, 1 / np.sqrt(inner))
        yield f"blk.{layer}.attn_norm.weight", ones
        yield f"blk.{layer}.ffn_norm.weight", ones


def _plain(vocabulary: Vocabulary) -> NDArray[np.bool_]:
    """Which tokens are letters, perhaps after a blank: each of them is a text of its own in a stream."""
    texts = map(vocabulary.text, range(len(vocabulary.tokens)))
    return np.array([text.isascii() and text.strip().isalpha() for text in texts])
