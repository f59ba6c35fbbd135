"""Writes a tiny model in the three formats that mistral.rs reads: GGUF, SafeTensors and GGML.

Sources: the GGUF specification (ggml/docs/gguf.md), the `llama` names of Hugging Face transformers, and the
ggjt v3 layout of llama.cpp before August 2023, which mistral.rs still loads.
"""

from __future__ import annotations

import json
import logging
import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter, LlamaFileType, PoolingType, TokenType
from gguf.quants import quantize
from safetensors.numpy import save_file

from support.models.files import ModelFiles, Quantisation
from support.models.llama import CHAT_TEMPLATE, HEAD_SIZE, NORM_EPSILON, ROPE_BASE, Half, TinyModel
from support.models.vocabulary import PAD, PRE_TOKENIZER, SPECIALS, TURN_END

logging.getLogger("gguf.gguf_writer").setLevel(logging.WARNING)  # three lines per file otherwise

WEIGHTS_FILE = "model.safetensors"

# A tensor of GGUF: its name in SafeTensors (Hugging Face), and in GGML.
_NAMES = {
    "token_embd": ("model.embed_tokens", "tok_embeddings"),
    "output": ("lm_head", "output"),
    "output_norm": ("model.norm", "norm"),
    "attn_norm": ("input_layernorm", "attention_norm"),
    "attn_q": ("self_attn.q_proj", "attention.wq"),
    "attn_k": ("self_attn.k_proj", "attention.wk"),
    "attn_v": ("self_attn.v_proj", "attention.wv"),
    "attn_output": ("self_attn.o_proj", "attention.wo"),
    "ffn_norm": ("post_attention_layernorm", "ffn_norm"),
    "ffn_gate": ("mlp.gate_proj", "feed_forward.w1"),
    "ffn_up": ("mlp.up_proj", "feed_forward.w3"),
    "ffn_down": ("mlp.down_proj", "feed_forward.w2"),
}
_HF, _GGML = (0, "model.layers."), (1, "layers.")


# Of the matrices of a GGUF file: the type of their numbers, and of the file.
_QUANTISATIONS: dict[Quantisation, tuple[GGMLQuantizationType, LlamaFileType]] = {
    "F16": (GGMLQuantizationType.F16, LlamaFileType.MOSTLY_F16),
    "Q8_0": (GGMLQuantizationType.Q8_0, LlamaFileType.MOSTLY_Q8_0),
    "Q4_0": (GGMLQuantizationType.Q4_0, LlamaFileType.MOSTLY_Q4_0),
}


def write(
    model: TinyModel,
    files: ModelFiles,
    template: str = CHAT_TEMPLATE,
    quantisation: Quantisation = "F16",
    pooling: PoolingType | None = None,
) -> None:
    """Writes a model into an existing directory. template: of the chat, in a GGUF file.

    quantisation: of the matrices in a GGUF file. pooling: how the vectors of the tokens become the one of a
    text, in a GGUF file of an embedding model. Raises ValueError for a file name that starts with "Mistral":
    mistral.rs takes such a GGUF for a Mistral model and refuses it.
    """
    if files.file is None:
        write_safetensors(model, files.directory)
        return
    if files.file.lower().startswith("mistral"):
        raise ValueError(f"model file name {files.file!r}: must not start with 'Mistral'")
    if files.format == "gguf":
        _write_gguf(model, files.path, template, quantisation, pooling)
    else:
        _write_ggml(model, files.path)


def _write_gguf(
    model: TinyModel, path: Path, template: str, quantisation: Quantisation, pooling: PoolingType | None
) -> None:
    """A GGUF v3 file: norms in F32 as llama.cpp wants them."""
    kind, file_type = _QUANTISATIONS[quantisation]
    shape, vocabulary = model.shape, model.vocabulary
    writer = GGUFWriter(str(path), "llama")
    writer.add_name(path.stem)
    writer.add_file_type(file_type)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.heads)
    writer.add_layer_norm_rms_eps(NORM_EPSILON)
    writer.add_rope_dimension_count(HEAD_SIZE)
    writer.add_rope_freq_base(ROPE_BASE)
    writer.add_vocab_size(len(vocabulary.tokens))
    if pooling is not None:
        writer.add_pooling_type(pooling)
    plain = len(vocabulary.tokens) - len(SPECIALS)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(PRE_TOKENIZER)
    writer.add_token_list(list(vocabulary.tokens))
    writer.add_token_types([TokenType.NORMAL] * plain + [TokenType.CONTROL] * len(SPECIALS))
    writer.add_token_merges(list(vocabulary.merges))
    writer.add_bos_token_id(vocabulary.pad)
    writer.add_eos_token_id(vocabulary.end)
    writer.add_pad_token_id(vocabulary.pad)
    writer.add_add_bos_token(False)
    writer.add_chat_template(template)
    for tensor, values in model.weights.items():
        if values.ndim == 1:
            writer.add_tensor(tensor, values.astype(np.float32))
        elif kind is GGMLQuantizationType.F16:
            writer.add_tensor(tensor, values)
        else:
            writer.add_tensor(tensor, quantize(values.astype(np.float32), kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_safetensors(model: TinyModel, directory: Path) -> None:
    """A Hugging Face directory: config, tokenizer, template, generation settings and F16 weights."""
    _write_config(model, directory)
    vocabulary = model.vocabulary
    generation = {"eos_token_id": [vocabulary.end], "pad_token_id": vocabulary.pad}
    write_json(directory / "generation_config.json", generation)
    tensors = {_rename(name, *_HF): np.ascontiguousarray(values) for name, values in model.weights.items()}
    save_file(tensors, str(directory / WEIGHTS_FILE), metadata={"format": "pt"})


def _write_ggml(model: TinyModel, path: Path) -> None:
    """A ggjt v3 file, with the configuration, tokenizer and template beside it as mistral.rs wants them."""
    _write_config(model, path.parent)
    shape, vocabulary = model.shape, model.vocabulary
    with path.open("wb") as file:
        file.write(struct.pack("<II", 0x67676A74, 3))
        # tokens, width, rounding of the feed-forward size, heads, layers, rotated dimensions, F16
        sizes = (len(vocabulary.tokens), shape.width, HEAD_SIZE, shape.heads, shape.layers, HEAD_SIZE, 1)
        file.write(struct.pack("<7I", *sizes))
        for token in range(len(vocabulary.tokens)):
            text = vocabulary.text(token).encode()
            file.write(struct.pack("<I", len(text)) + text + struct.pack("<f", 0.0))
        for name, values in model.weights.items():
            _write_ggml_tensor(file, _rename(name, *_GGML), values)


def _write_ggml_tensor(file: BinaryIO, name: str, values: Half) -> None:
    data = values if values.ndim > 1 else values.astype(np.float32)
    kind = GGMLQuantizationType.F16 if values.ndim > 1 else GGMLQuantizationType.F32
    file.write(struct.pack("<3I", data.ndim, len(name), kind))
    file.write(struct.pack(f"<{data.ndim}I", *reversed(data.shape)))
    file.write(name.encode())
    file.write(b"\0" * (-file.tell() % 32))
    file.write(data.tobytes())


def _rename(name: str, column: int, block: str) -> str:
    """A GGUF tensor name ("blk.0.attn_q.weight") as another format has it."""
    *place, part, ending = name.split(".")
    prefix = f"{block}{place[1]}." if place else ""
    return f"{prefix}{_NAMES[part][column]}.{ending}"


def _write_config(model: TinyModel, directory: Path) -> None:
    shape, vocabulary = model.shape, model.vocabulary
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_act": "silu",
        "hidden_size": shape.width,
        "intermediate_size": shape.feed_forward,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.heads,
        "head_dim": HEAD_SIZE,
        "vocab_size": len(vocabulary.tokens),
        "max_position_embeddings": shape.context,
        "rms_norm_eps": NORM_EPSILON,
        "rope_theta": ROPE_BASE,
        "tie_word_embeddings": False,
        "attention_bias": False,
        "torch_dtype": "float16",
        "bos_token_id": vocabulary.pad,
        "eos_token_id": vocabulary.end,
    }
    write_json(directory / "config.json", config)
    (directory / "tokenizer.json").write_text(vocabulary.tokenizer.to_str(), encoding="utf-8")
    write_json(
        directory / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "add_bos_token": False,
            "bos_token": None,
            "eos_token": TURN_END,
            "pad_token": PAD,
            "unk_token": None,
            "clean_up_tokenization_spaces": False,
            "model_max_length": model.shape.context,
            "chat_template": CHAT_TEMPLATE,
        },
    )


def write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
