"""What has to be seen beside a ratio of two servers: version, file, parallelism, context, threads, caches.

It is from the process of a server on this machine (command line and environment), and from what a server
states itself. What neither has is not known, and no error.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from support.errors import SettingsError
from support.http.client import ApiClient, RequestFailed
from support.http.exchange import NotJson
from support.models.gguf_details import read_details
from support.monitoring.process_metrics import find_listener, require_own_address
from support.servers.stated_version import stated_version

NOT_KNOWN = "not known"
PROGRAM, API, FILE, HASH, PARALLELISM = "program", "API", "file", "SHA-256", "requests at once"
CONTEXT, THREADS, CACHE = "context", "threads", "prefix cache"
NAMES = (PROGRAM, API, FILE, HASH, PARALLELISM, CONTEXT, THREADS, CACHE)
FACTS_SECONDS = 5.0
# mistral.rs and the reference server, Ollama 0.12: what holds where an option is not given.
LLAMA_CPP, LLAMA_CPP_CONTEXT = "llama_cpp.server", 2048
DEFAULT_SEQUENCES, DEFAULT_PREFIXES, DEFAULT_PARALLEL = 32, 16, 1
_BLOB = re.compile(r"^FROM .*sha256[-:]([0-9a-f]{64})\s*$", re.MULTILINE)
_THREADS = re.compile(r"^num_thread\s+(\d+)", re.MULTILINE)


@dataclass(frozen=True)
class TargetFacts:
    """`shown`: each of `NAMES`, for people.

    `file_hash`: SHA-256 of the model's file; empty: not known.
    """

    shown: Mapping[str, str]
    file_hash: str = ""

    @property
    def file(self) -> str:
        """Name and the beginning of the hash, as far as they are known."""
        known = self.shown.get(FILE, NOT_KNOWN)
        return f"{'' if known == NOT_KNOWN else f'{known}, '}SHA-256 {self.file_hash[:12]}..."


def local_process(url: str) -> int | None:
    """The process that listens at a URL of this machine; None for another machine, or of another user."""
    parts = urlsplit(url)
    try:
        require_own_address(parts.hostname or "")
        return find_listener(parts.port or 80)
    except (SettingsError, ValueError):
        return None


def facts_of(url: str, model: str, api: str, key: str | None, pid: int | None) -> TargetFacts:
    """Of a server that has answered a request. `pid`: of its process on this machine."""
    with contextlib.closing(ApiClient(url, api_key=key, timeout=FACTS_SECONDS, may_be_silent=True)) as client:
        stated = _stated(client)
        shown = {PROGRAM: stated or NOT_KNOWN, API: "Ollama" if api == "ollama" else "OpenAI"}
        if stated.startswith("ollama "):
            own = _ollama_facts(client, model, pid)
        elif LLAMA_CPP in _started_with(pid)[0]:
            own = _llama_cpp_facts(client, pid)
        else:
            own = _started_facts(pid)
    file_hash = own.pop(HASH, "")
    shown[HASH] = f"{file_hash[:12]}..." if file_hash else NOT_KNOWN
    return TargetFacts({name: {**shown, **own}.get(name, NOT_KNOWN) for name in NAMES}, file_hash)


def _stated(client: ApiClient) -> str:
    try:
        found = stated_version(client, client.get("/v1/models"))
    except RequestFailed:
        return ""
    return str(found) if found else ""


def _started_facts(pid: int | None) -> dict[str, str]:
    """Of mistral.rs and of the reference server, by their options."""
    words, environment = _started_with(pid)
    if "--max-seqs" not in words and "serve" not in words:
        return {}
    found = {
        PARALLELISM: _option(words, "--max-seqs") or f"{DEFAULT_SEQUENCES} (default)",
        THREADS: environment.get("RAYON_NUM_THREADS") or f"one for each of {os.cpu_count()} cores (default)",
    }
    prefixes = _option(words, "--prefix-cache-n")
    found[CACHE] = f"{prefixes or f'{DEFAULT_PREFIXES} (default)'} sequences"
    found[CONTEXT] = _option(words, "--max-seq-len") or NOT_KNOWN
    with contextlib.suppress(psutil.Error, OSError, ValueError, TypeError):
        folder = Path(psutil.Process(pid).cwd()) / str(_option(words, "-m", "--model-id"))
        file = folder / str(_option(words, "-f", "--quantized-filename"))
        found[HASH] = _digest(file, file.stat().st_mtime_ns)
        found[FILE] = file.name
        if found[CONTEXT] == NOT_KNOWN:
            lengths = (value for name, value in read_details(file).info.items() if "context_length" in name)
            found[CONTEXT] = f"{next(lengths):.0f} (of the file)"
    return found


def _llama_cpp_facts(client: ApiClient, pid: int | None) -> dict[str, str]:
    """Of llama-cpp-python's server, by its options and its description."""
    words, _ = _started_with(pid)
    cores = os.cpu_count() or 1
    found = {
        PARALLELISM: "1",
        CONTEXT: _option(words, "--n_ctx") or f"{LLAMA_CPP_CONTEXT} (default)",
        THREADS: _option(words, "--n_threads") or f"{max(cores // 2, 1)} of {cores} cores (default)",
        CACHE: "that of the last request",
    }
    with contextlib.suppress(RequestFailed, NotJson, KeyError, TypeError):
        found[PROGRAM] = f"llama-cpp-python {client.get('/openapi.json').json()['info']['version']}"
    with contextlib.suppress(OSError):
        file = Path(str(_option(words, "--model")))
        found[HASH] = _digest(file, file.stat().st_mtime_ns)
        found[FILE] = file.name
    return found


def _ollama_facts(client: ApiClient, model: str, pid: int | None) -> dict[str, str]:
    """Of Ollama, by its own statements and its environment."""
    environment = _started_with(pid)[1]
    found = {CACHE: "that of each of its slots"}
    if pid is not None:
        found[PARALLELISM] = environment.get("OLLAMA_NUM_PARALLEL") or f"{DEFAULT_PARALLEL} (default)"
    try:
        about = client.post("/api/show", {"model": model}).json()
        loaded = client.get("/api/ps").json()
    except (RequestFailed, NotJson):
        return found
    if isinstance(about, dict):
        if blob := _BLOB.search(str(about.get("modelfile"))):
            found[HASH] = blob[1]
        threads = _THREADS.search(str(about.get("parameters")))
        found[THREADS] = threads[1] if threads else "chosen by Ollama (default)"
    models = loaded.get("models") if isinstance(loaded, dict) else None
    for one in models if isinstance(models, list) else []:
        if isinstance(one, dict) and str(one.get("name")).removesuffix(":latest") == model.removesuffix(
            ":latest"
        ):
            found[CONTEXT] = str(one.get("context_length", NOT_KNOWN))
    return found


def _started_with(pid: int | None) -> tuple[Sequence[str], Mapping[str, str]]:
    """Command line and environment of a process; empty when they are not known."""
    try:
        return (psutil.Process(pid).cmdline(), psutil.Process(pid).environ()) if pid else ((), {})
    except psutil.Error:
        return (), {}


def _option(words: Sequence[str], *names: str) -> str | None:
    """The value of an option, in either form; the last one counts."""
    return next(_values(words, names), None)


def _values(words: Sequence[str], names: Sequence[str]) -> Iterator[str]:
    for word, value in reversed(list(pairwise(words))):
        if word in names:
            yield value
    for word in words:
        name, equals, value = word.partition("=")
        if equals and name in names:
            yield value


@cache
def _digest(file: Path, _changed: int) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
