"""From a script to weights: every step by arithmetic, and what is refused."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from support.models import compiler
from support.models.compiler import CompiledModel, compile_script, simulate
from support.models.llama import Shape, Single, TinyModel
from support.models.script import Row, Script, ScriptError
from support.models.vocabulary import MINIMUM_SIZE, SHORTEST_PIECE, Vocabulary, keyword_forms
from tests.models.scripts import row_of, script_of


@pytest.fixture(scope="module")
def standard() -> CompiledModel:
    return compile_script(Script.standard())


def test_the_standard_script_compiles_with_a_wide_margin(standard: CompiledModel) -> None:
    assert standard.margin >= 0.15


def test_pieces_spell_the_answers_and_belong_to_one_row_only(standard: CompiledModel) -> None:
    seen: set[str] = set()
    for row in (*standard.script.rows, standard.script.default_row):
        pieces = standard.answer_tokens(row)
        assert "".join(pieces) == row.answer
        assert all(len(piece) >= SHORTEST_PIECE // 2 for piece in pieces)
        assert not seen.intersection(pieces)
        seen.update(pieces)


def test_the_story_is_long_enough_to_stream(standard: CompiledModel) -> None:
    assert len(standard.answer_tokens(row_of(standard.script, "story"))) >= 60


def test_every_form_of_a_marker_is_one_token_in_any_company(standard: CompiledModel) -> None:
    vocabulary = standard.vocabulary
    for row, ids in zip(standard.script.rows, vocabulary.keywords, strict=True):
        assert [vocabulary.encode(form) for form in keyword_forms(row.keyword)] == [[token] for token in ids]
        word = row.keyword
        for text in (
            f'"{word}"',
            f"({word})",
            f"\n{word}\n",
            f"/{word}",
            f"\t{word}!",
            f"1{word}2",
            f"{word}'s",
        ):
            assert ids[0] in vocabulary.encode(text), text


def test_the_vocabulary_has_no_doubles_and_room_for_the_benchmark(standard: CompiledModel) -> None:
    tokens = standard.vocabulary.tokens
    assert len(set(tokens)) == len(tokens) >= MINIMUM_SIZE + 3
    assert len(tokens) % 64 == 0


def test_prompts_never_contain_a_piece(standard: CompiledModel) -> None:
    """Pieces are only said: what a user types is always split by the merges."""
    told = {token for ids in standard.vocabulary.answer_ids for token in ids}
    for row in standard.script.rows:
        assert not told.intersection(standard.vocabulary.encode(row.answer))


@pytest.mark.parametrize(
    "text", ["Déjà vu, 東京 🌊", "tab\tand\r\nlines  ", "I'm 1234 o'clock", "<|im_end|>"]
)
def test_any_text_survives_encoding(standard: CompiledModel, text: str) -> None:
    tokenizer = standard.vocabulary.tokenizer
    assert tokenizer.decode(standard.vocabulary.encode(text), skip_special_tokens=False) == text


def test_tokens_and_words_agree_on_the_row_that_answers(standard: CompiledModel) -> None:
    conversations = [
        ["What is new?"],
        ["Tell me of the Lighthouse.", row_of(standard.script, "lighthouse").answer, "And the violin?"],
        ["I am Mara", row_of(standard.script, "mara").answer, "What am I called?"],
        *[[f"say {row.keyword}", row.answer, "go on"] for row in standard.script.rows],
    ]
    for texts in conversations:
        messages = [{"role": "user", "content": text} for text in texts]
        assert standard.answer_to(messages) == standard.script.answer_to("\n".join(texts))


def test_the_same_script_gives_the_same_weights(standard: CompiledModel) -> None:
    again = compile_script(Script.standard())
    assert again.vocabulary == standard.vocabulary
    assert all(np.array_equal(again.weights[name], standard.weights[name]) for name in standard.weights)


def test_an_empty_table_still_has_its_default() -> None:
    model = compile_script(Script((), "Only this."))
    assert model.answer_to([{"role": "user", "content": "lighthouse"}]).answer == "Only this."


def test_a_short_answer_may_be_a_word_of_the_vocabulary() -> None:
    model = compile_script(script_of("no", [("apple", "yes"), ("pear", "x"), ("plum", "return")]))
    assert [model.answer_tokens(row) for row in model.script.rows] == [("yes",), ("x",), ("return",)]


def test_answers_may_repeat_themselves_and_each_other_in_part() -> None:
    rows = [("apple", "He ran and ran. " * 40), ("pear", "He ran and ran."), ("plum", "aaaaaaaaaaaaaaaaaaaa")]
    model = compile_script(script_of("He ran", rows))
    assert model.margin > 0.15


@pytest.mark.parametrize("count", [60, 100])
def test_a_long_table_fits(count: int) -> None:
    words = random.Random(1)
    drawn = ["".join(words.choices("bcdfghjklmnpqrstvwz", k=7)) for _ in range(count + 1)]
    rows = [(f"q{marker}", f"{n}: {said}.") for n, (marker, said) in enumerate(pairwise(drawn))]
    assert compile_script(script_of("Hm.", rows)).margin > compiler.LEAST_MARGIN


def test_every_step_is_checked(standard: CompiledModel) -> None:
    """One spoilt row of the head anywhere is noticed."""
    for marker, place in (("lighthouse", 0), ("story", 100), ("forever", 3), ("butler", -1)):
        row = row_of(standard.script, marker)
        token = standard.vocabulary.answer_ids[standard.script.rows.index(row)][place]
        head = standard.weights["output.weight"].copy()
        head[token] = 0
        spoilt = replace(standard, weights={**standard.weights, "output.weight": head})
        step = simulate(standard.script, spoilt)
        assert step.margin < 0
        assert step.where == f"the answer to {marker!r}"


def test_neighbouring_rows_are_told_apart_by_attention_alone(standard: CompiledModel) -> None:
    """Smaller keys make smaller gaps between scores: an engine would then mix two answers."""
    weights: dict[str, Any] = {
        **standard.weights,
        "blk.0.attn_k.weight": standard.weights["blk.0.attn_k.weight"] / 20,
    }
    assert simulate(standard.script, replace(standard, weights=weights)).margin < compiler.LEAST_MARGIN


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        (
            script_of("Hm.", [("apple", "Same."), ("pear", "Same.")]),
            "'pear'.*another row has the same answer",
        ),
        (script_of("Same.", [("apple", "Same.")]), "the default: another row has the same answer"),
        (script_of("Hm.", [("user", "A.")]), "'user': every conversation contains it"),
        (script_of("Hm.", [("assistant", "A.")]), "'assistant': every conversation contains it"),
        (script_of("An apple.", [("apple", "A.")]), "the default contains the marker 'apple' of a later row"),
        (
            script_of("Hm.", [("apple", "Not a pear."), ("pear", "Not an apple.")]),
            "the answer to 'apple' contains the marker 'pear' of a later row.*move the row of 'pear' up",
        ),
        (script_of("Hm.", [("apple", "A Pear!"), ("pear", "B.")]), "contains the marker 'pear'"),
    ],
)
def test_a_script_that_would_misspeak_is_refused(script: Script, complaint: str) -> None:
    with pytest.raises(ScriptError, match=complaint) as caught:
        compile_script(script)
    assert "\n" not in str(caught.value)


def test_a_marker_of_an_earlier_or_the_own_row_may_be_said() -> None:
    compile_script(script_of("Hm.", [("apple", "An apple."), ("pear", "Rather a pear than an apple.")]))


@pytest.mark.parametrize("context", [0, 511, 32769])
def test_a_context_out_of_range_is_refused(context: int) -> None:
    with pytest.raises(ScriptError, match=f"context {context}: choose 512 to 32768"):
        compile_script(Script.standard(), context)


@pytest.mark.parametrize("context", [512, 32768])
def test_a_context_at_the_edge_compiles(context: int) -> None:
    assert compile_script(Script.standard(), context).shape.context == context


def test_a_small_margin_is_refused_after_other_seeds_and_widths(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []
    original = compiler.build_weights

    def weigh(script: Script, vocabulary: Vocabulary, scores: Single, shape: Shape, seed: int) -> TinyModel:
        tried.append((shape.width, seed))
        return original(script, vocabulary, scores, shape, seed)

    monkeypatch.setattr(compiler, "build_weights", weigh)
    monkeypatch.setattr(compiler, "LEAST_MARGIN", 0.9)
    with pytest.raises(
        ScriptError, match=r"the default: its part 'Hm\.' wins by 30\.\d% only, 90% are needed"
    ):
        compile_script(Script((Row("apple", "A red"),), "Hm."))
    assert tried == list(compiler.ATTEMPTS)


def test_too_many_rows_are_refused_before_any_work() -> None:
    words = (f"q{a}{b}{c}" for a in "bcdfghj" for b in "klmnpqr" for c in "stvwxz")
    rows = [(word, f"{word} said.") for word in words]
    with pytest.raises(ScriptError, match="rows are too many: at most"):
        compile_script(script_of("Hm.", rows))
