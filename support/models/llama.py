"""A tiny llama: its shape, its weights (also random ones), its vocabulary, as `writers` take it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from support.models.vocabulary import TURN_END, TURN_START, Vocabulary, base_vocabulary

Half = NDArray[np.float16]
Single = NDArray[np.float32]

HEAD_SIZE = 64

ROPE_BASE = 1e9
"""The last dimension of a head turns by less than 1e-4 within 32 000 tokens: distance does not matter."""

NORM_EPSILON = 1e-5

CHAT_TEMPLATE = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + (message['content'] or '')"
    " + '<|im_end|>' + '\\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
"""chatml without a default system message: Ollama puts its own in place, which counts the same."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of a llama with as many key heads as query heads.

    width: of the residual stream, a multiple of HEAD_SIZE. context: tokens.
    """

    width: int
    layers: int
    feed_forward: int
    context: int

    @property
    def heads(self) -> int:
        return self.width // HEAD_SIZE


def blank_weights(shape: Shape, tokens: int) -> dict[str, Single]:
    """All tensors of a model with one layer, by GGUF name: zeros in matrices, ones in norms."""
    width, inner = shape.width, shape.feed_forward
    matrices = {
        "token_embd": (tokens, width),
        "output": (tokens, width),
        **{f"blk.0.attn_{part}": (width, width) for part in ("q", "k", "v", "output")},
        **{f"blk.0.ffn_{part}": (inner, width) for part in ("gate", "up")},
        "blk.0.ffn_down": (width, inner),
    }
    norms = ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm")
    weights = {f"{name}.weight": np.zeros(size, np.float32) for name, size in matrices.items()}
    return weights | {f"{name}.weight": np.ones(width, np.float32) for name in norms}


def chat_prompt(messages: Sequence[Mapping[str, str]]) -> str:
    """Messages with `role` and `content` as CHAT_TEMPLATE renders them, ready for an answer."""
    turns = (f"{TURN_START}{m['role']}\n{m['content']}{TURN_END}\n" for m in messages)
    return "".join(turns) + f"{TURN_START}assistant\n"


@dataclass(frozen=True, slots=True)
class TinyModel:
    """A model in memory.

    weights: by GGUF name (`token_embd.weight`, `blk.0.attn_q.weight`, ...), each of the shape (out, in).
    """

    shape: Shape
    vocabulary: Vocabulary
    weights: Mapping[str, Half]

    def count_prompt(self, messages: Sequence[Mapping[str, str]]) -> int:
        """Tokens of a prompt, as a server should report them."""
        return len(self.vocabulary.encode(chat_prompt(messages)))


def rounded(shape: Shape, vocabulary: Vocabulary, weights: Mapping[str, Single]) -> TinyModel:
    """The model with these weights in F16."""
    return TinyModel(shape, vocabulary, {name: values.astype(np.float16) for name, values in weights.items()})


def random_model(width: int) -> TinyModel:
    """A llama of one layer with random weights, the same ones each time. width: a multiple of 64."""
    draw = np.random.default_rng(0)
    vocabulary = base_vocabulary()
    shape = Shape(width, layers=1, feed_forward=2 * width, context=512)
    weights = blank_weights(shape, len(vocabulary.tokens))
    embedding = weights["token_embd.weight"]
    for matrix in weights.values():
        if matrix.ndim > 1:
            # A product keeps the size of its input; the numbers of an embedding are of size 1.
            scale = 1 if matrix is embedding else np.sqrt(matrix.shape[1])
            matrix[:] = draw.standard_normal(matrix.shape) / scale
    # No layer writes the last dimension of an embedding.
    embedding[:, -1] = 2
    for name in ("attn_output", "ffn_down"):
        weights[f"blk.0.{name}.weight"][-1] = 0
    return rounded(shape, vocabulary, weights)
