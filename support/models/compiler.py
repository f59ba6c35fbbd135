"""Compiles a script into the weights of a tiny llama, and simulates each step of every answer.

One block. The residual stream of a token holds *state* (a random sign vector), *topic* (TOPIC dimensions),
*end*, *flag* and a *constant*. Every token of a prompt has the same state, "start", so an answer begins after
whatever the prompt ends with; each piece of an answer has a state of its own.

- Attention, in the last dimension of the first head: the query reads the constant, the key the flag, so the
  marker of the latest row takes all the weight; its topic is carried to the current token.
- The head: the piece after state a, under topic r, matches both. The first piece of a marked answer matches
  "start" a little less than the first piece of the default does: without a topic the default wins.
- The end of the turn reads *end* only, which the last piece of an answer carries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log

import numpy as np

from support.models.llama import (
    HEAD_SIZE,
    NORM_EPSILON,
    Shape,
    Single,
    TinyModel,
    blank_weights,
    chat_prompt,
    rounded,
)
from support.models.script import Row, Script, ScriptError
from support.models.vocabulary import Vocabulary, script_vocabulary

CONTEXTS = range(512, 32768 + 1)
"""Tokens. Below, the suite's prompts do not fit; above, the rotation of the positions shows."""

LEAST_MARGIN = 0.05
"""Of the best token's logit over the next one's. The weights below allow about 0.25."""

ATTEMPTS = ((256, 0), (256, 1), (512, 0), (512, 1))
"""Width and seed, in order, before a script is rejected."""

TOPIC = HEAD_SIZE - 4
RESERVED = TOPIC + 3

# Scores of attention: the lowest marker, the gap between neighbours, the most that halves can hold (times 8),
# and the part of a score that two neighbours may lose to rounding in bfloat16.
LOWEST_SCORE = 60.0
WIDEST_GAP = 28.0
HIGHEST_SCORE = 6000.0
ROUNDING = 0.012

# Amplitudes after the first norm (a marker's topic and highest flag) and in the residual stream.
KEYWORD_TOPIC = 1.0
KEYWORD_FLAG = 8.0
END = 4.0

# Parts of the best logit: of a step within an answer, in units of a full match of the state.
FIRST_STEP = 0.70
TOPIC_SHARE = 0.80
END_SHARE = 2.0

STATE_LOGIT = 55.0
"""An answer stays the same at temperature 2, and a logit bias of 100 still beats it."""


@dataclass(frozen=True, slots=True)
class CompiledModel(TinyModel):
    """A model with the answers of `script`. margin: the smallest of all steps, between 0 and 1."""

    script: Script
    margin: float

    def answer_to(self, messages: Sequence[Mapping[str, str]]) -> Row:
        """The row that answers messages, decided by their tokens as the engine decides it."""
        tokens = set(self.vocabulary.encode(chat_prompt(messages)))
        for row, forms in zip(reversed(self.script.rows), reversed(self.vocabulary.keywords), strict=True):
            if tokens.intersection(forms):
                return row
        return self.script.default_row

    def answer_tokens(self, row: Row) -> tuple[str, ...]:
        """The answer as it is streamed, token by token, without the token that ends it."""
        rows = (*self.script.rows, self.script.default_row)
        return tuple(self.vocabulary.text(token) for token in self.vocabulary.answer_ids[rows.index(row)])


def compile_script(script: Script, context: int = 4096) -> CompiledModel:
    """Compiles and simulates. context: tokens, within CONTEXTS.

    Raises ScriptError, one line: a marker that is no single token, two answers with the same text, a marker
    of a later row inside an answer, too many rows, a margin under LEAST_MARGIN with every one of ATTEMPTS.
    """
    if context not in CONTEXTS:
        raise ScriptError(
            f"context {context}: choose {CONTEXTS.start} to {CONTEXTS.stop - 1} tokens for a scripted model"
        )
    vocabulary = script_vocabulary(script)
    _reject_conflicting_answers(script, vocabulary)
    scores = _scores(script, context)
    worst = _Step(-1.0, "", "")
    for width, seed in ATTEMPTS:
        model = build_weights(script, vocabulary, scores, Shape(width, 1, HEAD_SIZE, context), seed)
        step = simulate(script, model)
        if step.margin >= LEAST_MARGIN:
            return CompiledModel(model.shape, vocabulary, model.weights, script, step.margin)
        worst = max(worst, step, key=lambda one: one.margin)
    raise ScriptError(
        f"{worst.where}: {worst.what} wins by {worst.margin:.1%} only, {LEAST_MARGIN:.0%} are needed:"
        " shorten the longest answers or use fewer rows"
    )


@dataclass(frozen=True, slots=True)
class _Step:
    margin: float
    where: str
    what: str


def _reject_conflicting_answers(script: Script, vocabulary: Vocabulary) -> None:
    """A second turn contains the first answer: a marker of a later row in it would change the subject."""
    template = set(
        vocabulary.encode("<|im_start|>system\n<|im_end|>\n<|im_start|>user\n<|im_start|>assistant\ntool")
    )
    for number, row in enumerate(script.rows):
        if template.intersection(vocabulary.keywords[number]):
            raise ScriptError(f"marker {row.keyword!r}: every conversation contains it: choose another word")
    for number, row in enumerate((script.default_row, *script.rows)):
        tokens = set(vocabulary.encode(row.answer))
        for later in range(number, len(script.rows)):
            if tokens.intersection(vocabulary.keywords[later]):
                who = f"the answer to {row.keyword!r}" if row.keyword else "the default"
                marker = script.rows[later].keyword
                raise ScriptError(
                    f"{who} contains the marker {marker!r} of a later row, which would take over the next"
                    f" turn: reword it or move the row of {marker!r} up"
                )


def _scores(script: Script, context: int) -> Single:
    """Of each row's marker in attention. A context full of the row below must not outweigh one marker."""
    count = len(script.rows)
    needed = 1.5 * (log(context) + 6)  # half more: a marker in the last place reads its constant weaker
    wished = min(WIDEST_GAP, (900.0 - LOWEST_SCORE) / max(count, 1))
    scores = [LOWEST_SCORE]
    while scores[-1] <= HIGHEST_SCORE and len(scores) < count:
        scores.append(scores[-1] + max(wished, needed + ROUNDING * scores[-1]))
    if scores[-1] > HIGHEST_SCORE:
        raise ScriptError(
            f"{count} rows are too many: at most {len(scores) - 1} fit a context of {context} tokens:"
            " split the script"
        )
    return np.array(scores[:count], np.float32)


def build_weights(
    script: Script, vocabulary: Vocabulary, scores: Single, shape: Shape, seed: int
) -> TinyModel:
    draw = np.random.default_rng([seed, shape.width])
    width, weights = shape.width, blank_weights(shape, len(vocabulary.tokens))
    states = width - RESERVED
    topic = slice(states, states + TOPIC)
    end, flag, constant = width - 3, width - 2, width - 1
    topics = _topics(draw, len(script.rows))

    # Unmarked tokens have the length sqrt(states + 1); a marker is scaled so that its topic and flag are what
    # they should be after the norm.
    embedding = weights["token_embd.weight"]
    embedding[:, :states] = _signs(draw, 1, states)
    embedding[:, constant] = 1
    for ids in vocabulary.answer_ids:
        embedding[list(ids), :states] = _signs(draw, len(ids), states)
    top = float(scores[-1]) if len(scores) else 1.0
    for number, forms in enumerate(vocabulary.keywords):
        height = KEYWORD_FLAG * float(scores[number]) / top
        scale = np.sqrt((states + 1) / (width - TOPIC * KEYWORD_TOPIC**2 - height**2))
        embedding[list(forms), topic] = topics[number] * KEYWORD_TOPIC * scale
        embedding[list(forms), flag] = height * scale

    head = weights["output.weight"]
    head[vocabulary.end, end] = END_SHARE * states / END
    for number, (row, ids) in enumerate(
        zip((*script.rows, script.default_row), vocabulary.answer_ids, strict=True)
    ):
        marked = bool(row.keyword)
        start = embedding[vocabulary.pad, :states]
        head[ids[0], :states] += start * (FIRST_STEP if marked else 1.0)
        head[list(ids[1:]), :states] += embedding[list(ids[:-1]), :states]
        if marked:
            head[list(ids), topic] += topics[number] * (TOPIC_SHARE * states / TOPIC)
        if row.loop:
            head[ids[0], :states] += embedding[ids[-1], :states]
        else:
            embedding[ids[-1], end] = END
    head *= STATE_LOGIT / states

    query, key, value, output = (weights[f"blk.0.attn_{part}.weight"] for part in ("q", "k", "v", "output"))
    last = HEAD_SIZE - 1
    constant_read = 1 / np.sqrt((states + 1) / width)
    strength = np.sqrt(top * np.sqrt(HEAD_SIZE) / (constant_read * KEYWORD_FLAG))
    query[last, constant] = strength
    key[last, flag] = strength
    value[:TOPIC, topic] = np.eye(TOPIC)
    output[topic, :TOPIC] = np.eye(TOPIC) / KEYWORD_TOPIC
    return rounded(shape, vocabulary, weights)


def _signs(draw: np.random.Generator, rows: int, columns: int) -> Single:
    return (draw.integers(0, 2, (rows, columns)) * 2 - 1).astype(np.float32)


def _topics(draw: np.random.Generator, count: int) -> Single:
    """One sign vector per row, each the least like those before it among 64 draws."""
    topics = np.zeros((count, TOPIC), np.float32)
    for number in range(count):
        candidates = _signs(draw, 64, TOPIC)
        likeness = (candidates @ topics[:number].T).max(axis=1, initial=-TOPIC)
        topics[number] = candidates[np.argmin(likeness)]
    return topics


def simulate(script: Script, model: TinyModel) -> _Step:
    """The step with the smallest margin among all steps of all answers, with the rounded weights.

    The context is the worst one: the row's keyword once, that of the row before in all the rest. The first
    step is also taken from the keyword itself, for prompts that end with it.
    """
    vocabulary, weights = model.vocabulary, {k: v.astype(np.float32) for k, v in model.weights.items()}
    embedding, head = weights["token_embd.weight"], weights["output.weight"]
    worst = _Step(1.0, "", "")
    for number, (row, ids) in enumerate(
        zip((*script.rows, script.default_row), vocabulary.answer_ids, strict=True)
    ):
        starts = [vocabulary.pad, *(vocabulary.keywords[number][:1] if row.keyword else ())]
        tokens = np.array([*starts, *ids])
        goals = np.array([ids[0]] * len(starts) + [*ids[1:], ids[0] if row.loop else vocabulary.end])
        context_tokens = [(vocabulary.pad, model.shape.context)]
        if row.keyword:
            context_tokens.append((vocabulary.keywords[number][0], 1))
            if number:
                context_tokens.append((vocabulary.keywords[number - 1][0], model.shape.context))
        logits = _forward(weights, embedding[tokens], context_tokens, embedding) @ head.T
        steps = np.arange(len(tokens))
        best = logits[steps, goals].copy()
        logits[steps, goals] = -np.inf
        rivals = logits.max(axis=1)
        margins = np.where(best > 0, (best - rivals) / np.maximum(best, 1e-6), -1.0)
        weakest = int(np.argmin(margins))
        if margins[weakest] < worst.margin:
            where = f"the answer to {row.keyword!r}" if row.keyword else "the default"
            what = f"its part {vocabulary.text(int(goals[weakest]))!r}"
            worst = _Step(float(margins[weakest]), where, what)
    return worst


def _forward(
    weights: Mapping[str, Single],
    queries: Single,
    context_tokens: Sequence[tuple[int, int]],
    embedding: Single,
) -> Single:
    """The normed output of the block for query tokens with a context of (token id, count).

    Left out: heads and dimensions without a score, the rotation, which is 1 within CONTEXTS, and the query
    token itself, which has no flag or is the keyword that is in the context already.
    """
    there = _norm(embedding[[token for token, _ in context_tokens]])
    copies = np.array([copies for _, copies in context_tokens], np.float32)
    query = _coarse(_norm(queries) @ weights["blk.0.attn_q.weight"].T)
    key = _coarse(there @ weights["blk.0.attn_k.weight"].T)
    scores = _coarse(query[:, :HEAD_SIZE] @ key[:, :HEAD_SIZE].T / np.sqrt(HEAD_SIZE)) + np.log(copies)
    shares = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    read = shares @ (there @ weights["blk.0.attn_v.weight"].T)
    return _norm(queries + read @ weights["blk.0.attn_output.weight"].T)


def _coarse(numbers: Single) -> Single:
    """Rounded to bfloat16, the coarsest numbers that an engine may use for attention (on a GPU)."""
    bits = np.asarray(numbers, np.float32).view(np.uint32)
    return ((bits + np.uint32(0x8000)) & np.uint32(0xFFFF0000)).view(np.float32)


def _norm(rows: Single) -> Single:
    length = np.sqrt((rows**2).mean(axis=1, keepdims=True) + NORM_EPSILON)
    return np.asarray(rows / length, np.float32)
