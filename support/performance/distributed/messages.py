"""What master and workers send to each other over Locust's connection, and which version both have to have.

| message | from | content |
|---|---|---|
| hello | worker | `Hello`: its version and its machine |
| refused | master | why it does not take this worker |
| prepare | master | the plan of the worker's share: it starts its generator |
| prepared | worker | the generator can begin |
| begin | master | it begins |
| begun | worker | its start, by the worker's clock |
| measured | worker | all measured requests have ended; the load goes on |
| release | master | all workers have measured: the load ends |
| results | worker | a part of the records; `received`, from the master, asks for the next one |
| failed | worker | why its generator has failed |
| abort | master | the load is ended at once |
| end | master | no load follows; why, if it is for an error |
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

# A message in the way of a heartbeat delays it: with one of a megabyte by a second on a line of 10 Mbit/s.
PART_BYTES = 1 << 20
_MEASURING = Path(__file__).resolve().parents[1]


class Kind(StrEnum):
    """The types of the messages; Locust has types of its own beside them."""

    HELLO = "load-hello"
    REFUSED = "load-refused"
    PREPARE = "load-prepare"
    PREPARED = "load-prepared"
    BEGIN = "load-begin"
    BEGUN = "load-begun"
    MEASURED = "load-measured"
    RELEASE = "load-release"
    RESULTS = "load-results"
    RECEIVED = "load-received"
    FAILED = "load-failed"
    ABORT = "load-abort"
    END = "load-end"


@dataclass(frozen=True)
class Hello:
    """`version`: of this project, with its measuring code and Locust."""

    version: str
    host: str

    def data(self) -> dict[str, str]:
        return asdict(self)

    @staticmethod
    def of(data: Any) -> Hello:
        """Of a worker of any version, also of one that sends something else."""
        found = data if isinstance(data, Mapping) else {}
        return Hello(str(found.get("version", "no version")), str(found.get("host", "?")))


@cache
def version() -> str:
    """Of the package, and of the code that measures: states between two releases differ as well."""
    code = hashlib.sha256()
    for folder in (_MEASURING / "load", _MEASURING / "distributed"):
        for file in sorted(folder.glob("*.py")):
            # As text: a checkout on Windows may have other ends of lines.
            code.update(file.name.encode() + b"\0" + file.read_text(encoding="utf-8").encode() + b"\0")
    package, locust = (importlib.metadata.version(name) for name in ("mistralrs-acceptance", "locust"))
    return f"{package} ({code.hexdigest()[:12]}), Locust {locust}"


def own_hello() -> Hello:
    return Hello(version(), platform.node() or "?")


def packed(texts: Mapping[str, str]) -> list[bytes]:
    """Files by name as parts of a message each, compressed."""
    data = zlib.compress(json.dumps(texts).encode())
    return [data[at : at + PART_BYTES] for at in range(0, len(data), PART_BYTES)]


def unpacked(parts: Sequence[bytes]) -> dict[str, str]:
    """Raises ValueError for parts that are none of `packed`, or not all of them."""
    try:
        texts = json.loads(zlib.decompress(b"".join(parts)))
    except zlib.error as error:
        raise ValueError(f"results that cannot be read: {error}") from None
    return dict(_texts(texts))


def _texts(texts: Any) -> Iterator[tuple[str, str]]:
    if not isinstance(texts, dict):
        raise ValueError(f"results that are no files: {type(texts).__name__}")
    for name, text in texts.items():
        if not isinstance(text, str):
            raise ValueError(f"results that are no files: {name}")
        yield name, text
