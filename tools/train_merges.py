"""How `support/models/data/merges.txt` was made: `python tools/train_merges.py`.

The list of merges is shipped instead of trained at run time because the standard library, the only text that
every machine has, differs between Python versions: prompts would then count differently from machine to
machine.
"""

from __future__ import annotations

import json
import sys
import sysconfig
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from support.models.vocabulary import BASE_SIZE, MERGES_FILE

CORPUS_LIMIT = 6_000_000
"""Characters of source text read, in the order of the sorted file names."""

# qwen2's pattern, except that a mark never joins the word after it ('"lighthouse' or '(lighthouse' must keep
# the token `lighthouse`); a blank does.
TRAINING_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)| ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def corpus() -> list[str]:
    """The standard library's own top-level modules, without its tests and data tables."""
    texts: list[str] = []
    size = 0
    for path in sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py")):
        text = path.read_text(encoding="utf-8", errors="ignore")
        if not text.isascii() or size > CORPUS_LIMIT:
            continue
        texts.append(text)
        size += len(text)
    return texts


def train() -> list[str]:
    """The merges, best first, each as two byte-level symbols with a blank between."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(TRAINING_PATTERN), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=BASE_SIZE,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
        max_token_length=16,
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    return [" ".join(pair) for pair in json.loads(tokenizer.to_str())["model"]["merges"]]


if __name__ == "__main__":
    MERGES_FILE.write_text("\n".join(train()) + "\n", encoding="utf-8")
