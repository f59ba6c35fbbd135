"""A tiny embedding model: random weights in the form of Qwen3-Embedding (sentence-transformers modules).

Words that two texts share pull their vectors together: the weights are random, the mean over tokens is not.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from gguf import PoolingType
from safetensors.numpy import load_file, save_file

from support.models.files import ModelFiles
from support.models.llama import HEAD_SIZE, random_model
from support.models.writers import WEIGHTS_FILE, write, write_json, write_safetensors

MODULES = (
    ("0", "", "sentence_transformers.models.Transformer"),
    ("1", "1_Pooling", "sentence_transformers.models.Pooling"),
    ("2", "2_Normalize", "sentence_transformers.models.Normalize"),
)
MODES = ("cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken")
WIDTH = 128


def write_embedding_gguf(files: ModelFiles) -> None:
    """A GGUF file with the same tokens, width and pooling for llama.cpp, which does not normalise vectors."""
    write(random_model(WIDTH), files, pooling=PoolingType.MEAN)


def write_embedding(directory: Path) -> None:
    """Fills a folder that `serve -m FOLDER` loads as an embedding model; its vectors have length 1."""
    model = random_model(WIDTH)
    write_safetensors(model, directory)
    config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    config |= {
        "architectures": ["Qwen3ForCausalLM"],
        "model_type": "qwen3",
        "sliding_window": None,
        "use_sliding_window": False,
        "max_window_layers": model.shape.layers,
    }
    write_json(directory / "config.json", config)
    weights = load_file(directory / WEIGHTS_FILE)
    renamed = {
        name.removeprefix("model."): values for name, values in weights.items() if "lm_head" not in name
    }
    for name in ("q_norm", "k_norm"):
        renamed[f"layers.0.self_attn.{name}.weight"] = np.ones(HEAD_SIZE, np.float16)
    save_file(renamed, str(directory / WEIGHTS_FILE), metadata={"format": "pt"})
    modules = [
        {"idx": number, "name": name, "path": path, "type": kind}
        for number, (name, path, kind) in enumerate(MODULES)
    ]
    write_json(directory / "modules.json", modules)
    (directory / "1_Pooling").mkdir(exist_ok=True)
    modes = {f"pooling_mode_{name}": name == "mean_tokens" for name in MODES}
    pooling = {"word_embedding_dimension": WIDTH, **modes, "include_prompt": True}
    write_json(directory / "1_Pooling" / "config.json", pooling)
    (directory / "2_Normalize").mkdir(exist_ok=True)
