"""Models: Ollama's names for what the target lists, and how long each stays loaded."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import re
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

from support.bundled.ollama_gateway.errors import UNLOADING, ApiError, not_supported
from support.bundled.ollama_gateway.gguf_metadata import GgufMetadata, MetadataCache
from support.bundled.ollama_gateway.ollama_requests import FOREVER
from support.bundled.ollama_gateway.upstream import Card, Upstream

log = logging.getLogger("gateway")
DEFAULT_ALIAS = "default"
"""mistral.rs lists this name beside its models. A request for it after an unload ends the engine for good."""
LIST_CACHE_SECONDS = 5.0
LIBRARY = "registry.ollama.ai/library/"
# What "for ever" is in a date that a client can read: Ollama adds the longest duration of Go, 292 years.
_FOREVER_DAYS = 292 * 365
_NAME = re.compile(r"(?:[\w.:-]+/)?(?:\w[\w-]*/)?\w[\w.-]*(?::\w[\w.-]*)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Model:
    """One model of the target under its Ollama name (`name:tag`)."""

    name: str
    card: Card
    has_file: bool

    @property
    def full_name(self) -> str:
        """The form in some of Ollama's errors."""
        return LIBRARY + self.name


class Models:
    """The target's models. The list is requested again after some seconds, and for an unknown name."""

    def __init__(self, upstream: Upstream, files: Mapping[str, Path]) -> None:
        """`files`: Ollama name -> GGUF file of the model."""
        self._upstream = upstream
        self._files = files
        self._metadata = MetadataCache(files)
        self._unreadable: set[str] = set()
        self._known: dict[str, Model] = {}
        self._ids: frozenset[str] = frozenset()
        self._listed_at = -LIST_CACHE_SECONDS
        self.is_mistralrs = False

    async def all(self) -> list[Model]:
        """What the target lists now, without its `default`."""
        cards = await self._upstream.models()
        self.is_mistralrs = any(card.id == DEFAULT_ALIAS for card in cards)
        self._ids = frozenset(card.id for card in cards)
        own = list({card.id: card for card in cards if card.id != DEFAULT_ALIAS or len(cards) == 1}.values())
        models = [Model(self._name(card, own), card, self._file_name(card, own) is not None) for card in own]
        self._known = {alias: model for model in models for alias in (key(model.card.id), key(model.name))}
        self._listed_at = time.monotonic()
        return models

    def start(self) -> None:
        """Begin to read the files."""
        self._metadata.start()

    def invalidate(self) -> None:
        """Request the list again before the next answer: what is loaded may have changed."""
        self._listed_at = -LIST_CACHE_SECONDS

    async def find(self, name: str) -> Model | None:
        """The model with this name; None when the target has none."""
        wanted = key(name)
        if time.monotonic() - self._listed_at >= LIST_CACHE_SECONDS or wanted not in self._known:
            await self.all()
        return self._known.get(wanted)

    def is_listed(self, name: str) -> bool:
        """Whether the target's last list had a model of this name, for instance its `default`."""
        return name in self._ids

    async def metadata(self, model: Model) -> GgufMetadata | None:
        """The metadata of its file; None without a file, or when it cannot be opened, which is logged."""
        if not model.has_file:
            return None
        name = next(name for name in self._files if key(name) == key(model.name))
        try:
            return await self._metadata.get(name)
        except OSError as error:
            if name not in self._unreadable:
                self._unreadable.add(name)
                log.warning("%s cannot be read: %s", self._files[name], error.strerror)
            return None

    def _file_name(self, card: Card, cards: Iterable[Card]) -> str | None:
        for name, path in self._files.items():
            if key(name) in (key(card.id), key(PurePosixPath(card.id.replace("\\", "/")).name)) or (
                card.id in (str(path), str(path.parent))
            ):
                return name
        # One file and one model: they belong together under any name.
        alone = len(self._files) == 1 and len(list(cards)) == 1
        return next(iter(self._files)) if alone else None

    def _name(self, card: Card, cards: Iterable[Card]) -> str:
        """The name given with its file, else the target's, of which a path keeps its last part."""
        given = self._file_name(card, cards)
        plain = given or card.id
        if not _NAME.fullmatch(plain):
            plain = re.sub(r"[^\w.-]+", "-", PurePosixPath(plain.replace("\\", "/")).name, flags=re.ASCII)
        return with_tag(plain or "model")


def is_name(name: str) -> bool:
    """Whether it is a valid model name for Ollama."""
    return _NAME.fullmatch(name) is not None


def key(name: str) -> str:
    """The form in which names are compared."""
    return with_tag(name).casefold().removeprefix(LIBRARY)


def with_tag(name: str) -> str:
    """`name:tag`, the tag being `latest` where there is none."""
    return name if ":" in name.rpartition("/")[2] or not name else f"{name}:latest"


def digest_of(model: Model, metadata: GgufMetadata | None) -> str:
    """The digest of the file; without one, of the target's name, which is unique to the model."""
    return metadata.digest if metadata else hashlib.sha256(model.card.id.encode()).hexdigest()


class KeepAlive:
    """How long models stay loaded.

    The target loaded its models itself, so they stay unless a client requests something else: a request's
    `keep_alive` starts the clock when the last answer of that model has ended, and only then.
    """

    def __init__(self, upstream: Upstream, models: Models) -> None:
        self._upstream = upstream
        self._models = models
        self._active: dict[str, int] = {}
        self._keep: dict[str, float] = {}
        self._until: dict[str, datetime] = {}
        self._timers: dict[str, asyncio.Task[None]] = {}
        self._loading = asyncio.Lock()

    def expires(self, model: Model) -> datetime:
        """When it will be unloaded."""
        far = datetime.now(UTC) + timedelta(days=_FOREVER_DAYS)
        return self._until.get(model.card.id, far)

    @contextlib.asynccontextmanager
    async def in_use(self, model: Model, keep_alive: float | None) -> AsyncIterator[None]:
        """Keep a model loaded while it answers; afterwards for `keep_alive` seconds, None: for ever.

        A model that is not loaded is loaded before.
        """
        name = model.card.id
        self._stop_timer(name)
        self._active[name] = self._active.get(name, 0) + 1
        self._keep[name] = FOREVER if keep_alive is None else keep_alive
        try:
            if not model.card.loaded:
                await self._load(name)
            yield
        finally:
            self._active[name] -= 1
            if not self._active[name] and self._keep[name] != FOREVER:
                self._start_timer(name, self._keep[name])

    async def unload(self, model: Model) -> None:
        """Unload it now. Raises `ApiError` 501 when the target has no such route."""
        self._stop_timer(model.card.id)
        if not await self._post_model_action("unload", model.card.id):
            raise not_supported(UNLOADING)

    def close(self) -> None:
        for name in list(self._timers):
            self._stop_timer(name)

    def _stop_timer(self, name: str) -> None:
        self._until.pop(name, None)
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()

    def _start_timer(self, name: str, seconds: float) -> None:
        self._until[name] = datetime.now(UTC) + timedelta(seconds=min(seconds, _FOREVER_DAYS * 86400.0))
        self._timers[name] = asyncio.create_task(self._expire(name, seconds))

    async def _expire(self, name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        # From here on it is no longer a timer: a request that comes now waits in the target.
        self._timers.pop(name, None)
        self._until.pop(name, None)
        with contextlib.suppress(ApiError):
            await self._post_model_action("unload", name)

    async def _load(self, name: str) -> None:
        # Where the target rejects it, the request itself loads the model.
        async with self._loading:
            with contextlib.suppress(ApiError):
                # Once only: 0.8.1, with a reload of a loaded model, never loads it again (docs/findings.md).
                if any(card.id == name and not card.loaded for card in await self._upstream.models()):
                    await self._post_model_action("reload", name)

    async def _post_model_action(self, action: str, name: str) -> bool:
        """Whether it worked. mistral.rs answers 200 with a `status`; others have no such route."""
        self._models.invalidate()
        try:
            answer = await self._upstream.post(f"/v1/models/{action}", {"model_id": name})
        except ApiError as refusal:
            if refusal.status in (404, 405):
                return False
            raise
        finally:
            self._models.invalidate()
        return answer.get("status") in ("loaded", "unloaded", "reloading")
