"""The tiny embedding model has the files that an embedding model is known by."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors.numpy import load_file

from support.models.embedding import write_embedding


def test_the_folder_is_one_of_an_embedding_model(tmp_path: Path) -> None:
    write_embedding(tmp_path)
    modules = json.loads((tmp_path / "modules.json").read_text())
    assert [module["type"].rpartition(".")[2] for module in modules] == [
        "Transformer",
        "Pooling",
        "Normalize",
    ]
    pooling = json.loads((tmp_path / "1_Pooling" / "config.json").read_text())
    modes = [name for name, on in pooling.items() if name.startswith("pooling_mode") and on]
    assert modes == ["pooling_mode_mean_tokens"]
    config = json.loads((tmp_path / "config.json").read_text())
    assert (config["architectures"], config["max_position_embeddings"]) == (["Qwen3ForCausalLM"], 512)
    weights = load_file(tmp_path / "model.safetensors")
    assert weights["embed_tokens.weight"].shape[1] == pooling["word_embedding_dimension"]
    assert "layers.0.self_attn.q_norm.weight" in weights and not [
        name for name in weights if "lm_head" in name
    ]
