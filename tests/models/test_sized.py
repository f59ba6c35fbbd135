"""Random models of a chosen size: their weights, their files by quantisation, tokens of letters only."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from gguf import GGUFReader

from support.models.files import QUANTISATIONS, Quantisation
from support.models.sized import ModelSize, sized_model
from support.models.store import ModelStore
from support.models.vocabulary import base_vocabulary

TOKENS = len(base_vocabulary().tokens)


@pytest.mark.parametrize("millions", [1, 5, 20, 60, 200, 1000])
def test_a_size_is_reached_within_a_twentieth(millions: int) -> None:
    found = ModelSize.of(millions, TOKENS)
    assert found.weights == pytest.approx(millions * 1e6, rel=0.05)
    assert found.shape.layers <= 40


@pytest.mark.parametrize("millions", [0.1, 1001, float("nan")])
def test_a_size_that_cannot_be_made_is_an_error(millions: float) -> None:
    with pytest.raises(ValueError, match=r"0\.5 to 1000 million weights can be made"):
        ModelSize.of(millions, TOKENS)


def test_only_tokens_of_letters_are_likely() -> None:
    model = sized_model(1)
    weights = sum(values.size for values in model.weights.values() if values.ndim > 1)
    assert weights == pytest.approx(1e6, rel=0.05)
    head = model.weights["output.weight"]
    likely = np.flatnonzero(head.any(axis=1))
    texts = [model.vocabulary.text(int(token)) for token in likely]
    assert len(texts) > 1000
    assert all(text.strip().isalpha() and text.isascii() for text in texts)
    assert model.vocabulary.end not in likely
    assert np.array_equal(head, sized_model(1).weights["output.weight"])


@pytest.mark.parametrize(("quantisation", "bits"), [("F16", 16), ("Q8_0", 8.5), ("Q4_0", 4.5)])
def test_a_file_has_the_bits_of_its_quantisation(
    tmp_path: Path, quantisation: Quantisation, bits: float
) -> None:
    made = ModelStore(tmp_path, verify=False).sized(1, quantisation)
    reader = GGUFReader(made.path)
    matrices = [tensor for tensor in reader.tensors if len(tensor.shape) > 1]
    assert {tensor.tensor_type.name for tensor in matrices} == {quantisation}
    weights = sum(int(tensor.n_elements) for tensor in matrices)
    assert 8 * sum(int(tensor.n_bytes) for tensor in matrices) == pytest.approx(weights * bits)
    assert quantisation in QUANTISATIONS


def test_an_unknown_quantisation_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown quantisation 'Q3': F16, Q8_0, Q4_0 are known"):
        ModelStore(tmp_path).sized(1, "Q3")  # type: ignore[arg-type]
