"""A broken model file makes the program panic (0.8.1; the last one in 0.9.2 and 0.9.5 too)

Steps: load copies of a GGUF file (`--file`) with an unknown architecture and without a context length, and
a folder whose `tokenizer_config.json` is not JSON.

Expected: exit code 1 and a message that names the file and what is wrong in it, as for other broken files.

Received: a panic and exit code 101. ``called `Result::unwrap()` on an `Err` value: Unknown GGUF
architecture``; for `tokenizer_config.json` ``Error("key must be a string", line: 1, column: 2)``, which
does not name the file. 0.9.2 rejects the first two.

Discussed in EricLBuehler/mistral.rs issue 2098, "GGUF pipeline panics on `gemma4` architecture instead of
returning an error" (0.8.1).

Take a small file: it is copied.
"""

from __future__ import annotations

import json
import math
import tempfile
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from _client import CannotDecide, Defect, model_arguments, panic_line, program_output, run

LLAMA: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "num_hidden_layers": 1,
    "vocab_size": 256,
    "max_position_embeddings": 512,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "hidden_act": "silu",
    "tie_word_embeddings": False,
}
TOKENIZER: dict[str, Any] = {
    "version": "1.0",
    "added_tokens": [],
    "normalizer": None,
    "pre_tokenizer": None,
    "post_processor": None,
    "decoder": None,
    "model": {"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": []},
}
WIDTH, INNER, WORDS = LLAMA["hidden_size"], LLAMA["intermediate_size"], LLAMA["vocab_size"]
LAYER = "model.layers.0"
SHAPES = {
    "model.embed_tokens.weight": (WORDS, WIDTH),
    "lm_head.weight": (WORDS, WIDTH),
    "model.norm.weight": (WIDTH,),
    f"{LAYER}.input_layernorm.weight": (WIDTH,),
    f"{LAYER}.post_attention_layernorm.weight": (WIDTH,),
    **{f"{LAYER}.self_attn.{part}_proj.weight": (WIDTH, WIDTH) for part in "qkvo"},
    **{f"{LAYER}.mlp.{part}_proj.weight": (INNER, WIDTH) for part in ("gate", "up")},
    f"{LAYER}.mlp.down_proj.weight": (WIDTH, INNER),
}
ARCHITECTURE = b"general.architecture\x08\x00\x00\x00"


def architecture(content: bytes) -> bytes:
    """The value of the key: its length in 8 bytes, then the text (GGUF specification, little endian)."""
    begin = content.find(ARCHITECTURE) + len(ARCHITECTURE)
    if not content.startswith(b"GGUF") or begin < len(ARCHITECTURE):
        raise CannotDecide("--file is no GGUF file that names its architecture")
    length = int.from_bytes(content[begin : begin + 8], "little")
    return content[begin + 8 : begin + 8 + length]


def write_plain_model(folder: Path) -> None:
    """A llama of zeros in the SafeTensors format, whose tokenizer_config.json is not JSON."""
    folder.mkdir()
    header: dict[str, object] = {}
    end = 0
    for name, shape in SHAPES.items():
        begin, end = end, end + 4 * math.prod(shape)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + bytes(end))
    (folder / "config.json").write_text(json.dumps(LLAMA), encoding="utf-8")
    (folder / "tokenizer.json").write_text(json.dumps(TOKENIZER), encoding="utf-8")
    (folder / "generation_config.json").write_text("{}", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text("{not json", encoding="utf-8")


def check(options: Namespace) -> Iterator[Defect]:
    model_arguments(options.file)
    content = options.file.read_bytes()
    name = architecture(content)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "unknown.gguf").write_bytes(content.replace(name, b"x" * len(name)))
        limit = name + b".context_length"
        (folder / "no_context.gguf").write_bytes(content.replace(limit, name + b".other_quantity"))
        plain = folder / "plain"
        write_plain_model(plain)
        runs = (
            ("a GGUF file of an unknown architecture", model_arguments(folder / "unknown.gguf")),
            ("a GGUF file without a context length", model_arguments(folder / "no_context.gguf")),
            ("a folder whose tokenizer_config.json is not JSON", ["--format", "plain", "-m", str(plain)]),
        )
        for what, words in runs:
            ended = program_output([options.program, "run", *words, "-i", "hello"])
            if ended.code == 101 or "panicked at" in ended.output:
                yield Defect(
                    what, f"exit code {ended.code}: {panic_line(ended.output)}", "exit code 1 and a message"
                )


if __name__ == "__main__":
    run(check, __doc__, "program", "file")
