"""The dice have the distribution that they promise, in numbers that every engine can hold."""

from __future__ import annotations

import numpy as np
import pytest

from support.models.categorical import CONSTANT, OTHER_LOGIT, WORDS, categorical_model, logits
from support.models.llama import NORM_EPSILON
from support.models.store import ModelStore
from support.models.verification import engine_version, probe, question
from support.models.vocabulary import BASE_SIZE


def test_each_token_has_the_same_logits_whatever_was_said() -> None:
    model = categorical_model()
    stream = model.weights["token_embd.weight"].astype(np.float64)
    assert not any(model.weights[f"blk.0.{name}.weight"].any() for name in ("attn_output", "ffn_down"))
    normed = stream / np.sqrt((stream**2).mean(axis=1, keepdims=True) + NORM_EPSILON)
    found = normed @ model.weights["output.weight"].astype(np.float64).T
    expected = np.full(len(model.vocabulary.tokens), OTHER_LOGIT)
    expected[BASE_SIZE : BASE_SIZE + len(WORDS)] = logits()
    assert np.abs(found - expected).max() < 1e-3


def test_the_weights_are_exact_in_half_precision() -> None:
    for name, values in categorical_model().weights.items():
        coarse = (values.astype(np.float32).view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)
        assert (coarse == values.astype(np.float32)).all(), name
    assert [float(np.float16(logit / CONSTANT)) * CONSTANT for logit in logits()] == logits()


def test_no_prompt_contains_a_word() -> None:
    vocabulary = categorical_model().vocabulary
    assert [vocabulary.text(token) for (token,) in vocabulary.answer_ids] == list(WORDS)
    assert [token for (token,) in vocabulary.answer_ids] == list(range(BASE_SIZE, BASE_SIZE + len(WORDS)))
    assert max(vocabulary.encode(" ".join(WORDS) + "".join(WORDS))) < BASE_SIZE


@pytest.mark.engine
@pytest.mark.skipif(engine_version() is None, reason="the package 'mistralrs' is not installed here")
def test_the_engine_draws_them(store: ModelStore) -> None:
    talk = probe(
        store.categorical(),
        [question("Throw the dice", 40, 1.0), question("Again", 40, 1.0)],
    )
    assert talk.error is None
    first, second = (answer.text for answer in talk.answers)
    assert first != second and first.count(".") == second.count(".") == 40
    assert {f"{word}." for word in first.split(".")[:-1]} <= set(WORDS)
