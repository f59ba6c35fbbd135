"""Which server is judged: found once, before anything starts, with the reason why this one."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from support.errors import TargetError
from support.programs.child_environment import child_environment
from support.programs.mistralrs import MISTRALRS
from support.programs.process import CommandTimeout, CompletedCommand, run_command
from support.programs.run_directory import temp_prefix
from support.servers.command_line import CommandLine, command_line_of
from support.settings import Settings, redact_url

VERSION_SECONDS = 10.0
URL_SECONDS = 5.0
VERSION_LINE = re.compile(r"^(mistralrs(?:-server|-reference)?) (\d+\.\d+\.\d+\S*)$", re.MULTILINE)


@dataclass(frozen=True)
class CommandTarget:
    """A program that the suite starts itself. `why` tells how it was chosen."""

    path: Path
    program: str
    version: str
    why: str

    @property
    def command_line(self) -> CommandLine:
        return command_line_of(self.program)

    @property
    def label(self) -> str:
        return f"{self.program} {self.version}"


@dataclass(frozen=True)
class UrlTarget:
    """A server that is already there. `models` are the names it lists."""

    url: str
    models: tuple[str, ...]
    why: str
    program: str = "url"
    version: str = "-"

    @property
    def label(self) -> str:
        return f"server at {redact_url(self.url)}"


Target = CommandTarget | UrlTarget


@dataclass(frozen=True)
class TargetChoice:
    """What will be judged, before anybody asked it anything: a program, or TARGET_URL when it has none."""

    why: str
    program: Path | None = None
    source: str = "TARGET_URL"


def discover(settings: Settings) -> Target:
    """The target in the documented order; raises `TargetError` with one line."""
    choice = choose(settings)
    if choice.program is None:
        return _connect(settings, why=choice.why)
    return _identify(choice.program, why=choice.why, source=choice.source)


def preview(settings: Settings) -> Target:
    """The target as `discover` will find it, as far as that can be told without starting or asking it."""
    choice = choose(settings)
    if choice.program is None:
        return UrlTarget(settings.target_url or "", (), choice.why)
    return CommandTarget(choice.program, choice.program.stem, "(not asked)", choice.why)


def choose(settings: Settings) -> TargetChoice:
    """What is judged and why; raises `TargetError` when a real server is asked for and there is none."""
    if settings.target_url is not None and settings.acceptance_target == "auto":
        return TargetChoice("TARGET_URL is set")
    if settings.acceptance_target == "reference":
        return _reference("asked for by acceptance_target")
    if settings.mistralrs_bin is not None:
        return TargetChoice("MISTRALRS_BIN is set", settings.mistralrs_bin, "MISTRALRS_BIN")
    on_path = shutil.which("mistralrs") or shutil.which("mistralrs-server")
    if on_path:
        return TargetChoice("found on the PATH", Path(on_path), "the PATH")
    cached = MISTRALRS.program(settings.acceptance_cache_dir)
    if cached is not None:
        return TargetChoice("found in the project's cache", cached, "the project's cache")
    if settings.acceptance_target == "real":
        raise TargetError(
            "no real mistral.rs: none by MISTRALRS_BIN, on the PATH or in the project's cache; "
            "`acceptance get mistralrs` installs it"
        )
    return _reference(
        "no TARGET_URL, no MISTRALRS_BIN, no mistralrs on the PATH or in the project's cache; "
        "`acceptance get mistralrs` gets the real one"
    )


def _reference(why: str) -> TargetChoice:
    suffix = ".exe" if os.name == "nt" else ""
    path = Path(sys.executable).parent / f"mistralrs-reference{suffix}"
    return TargetChoice(why, path, "the project's environment")


def _identify(path: Path, *, why: str, source: str) -> CommandTarget:
    """Ask the program for its version; every way in which that fails is one clear line."""
    named = f"{path} (from {source})"
    if not path.exists():
        raise TargetError(f"no such program: {named}; give the path of a mistralrs binary")
    if path.is_dir():
        raise TargetError(f"not a program but a folder: {named}; give the path of the binary inside it")
    if not os.access(path, os.X_OK):
        raise TargetError(f"not executable: {named}; `chmod +x` it or give another one")
    path = path.absolute()
    with tempfile.TemporaryDirectory(prefix=temp_prefix()) as folder:
        try:
            outcome = run_command(
                [path, "--version"],
                within=VERSION_SECONDS,
                folder=Path(folder),
                env=child_environment(Path(folder)),
            )
        except CommandTimeout:
            raise TargetError(
                f"no answer to --version within {VERSION_SECONDS:.0f} s: {named}; is it a mistral.rs program?"
            ) from None
        except OSError as error:
            raise TargetError(
                f"cannot be started: {named}: {error.strerror}; was it built for this machine?"
            ) from None
    match = VERSION_LINE.search(outcome.stdout)
    if outcome.exit_code != 0 or match is None:
        raise TargetError(
            f"not a mistral.rs program: {named} {_version_output(outcome)}; "
            "expected a line such as `mistralrs 0.8.1`"
        )
    return CommandTarget(path, match.group(1), match.group(2), why)


def _version_output(outcome: CompletedCommand) -> str:
    said = (outcome.stdout.strip() or outcome.stderr.strip()).splitlines()
    words = f"printed {said[0][:80]!r}" if said else "printed nothing"
    return f"{words} for --version (exit code {outcome.exit_code})"


def _connect(settings: Settings, *, why: str) -> UrlTarget:
    """Ask the server for its models: the least that an OpenAI API has to offer."""
    # Not at the top: a run that judges a program asks its workers to speak HTTP.
    import httpx

    from support.http.client import ApiClient, RequestFailed
    from support.http.exchange import NotJson

    url = settings.target_url
    assert url is not None
    shown = f"{redact_url(url)} (from TARGET_URL)"
    client = ApiClient(url, api_key=settings.api_key, timeout=settings.seconds(URL_SECONDS))
    try:
        answer = client.get("/v1/models")
    except (RequestFailed, httpx.InvalidURL) as error:
        raise TargetError(
            f"cannot be reached: {shown}: {error}; start the server and let it load its model first"
        ) from None
    finally:
        client.close()
    if answer.status in (401, 403):
        remedy = (
            "TARGET_API_KEY is not the right token" if settings.api_key else "set TARGET_API_KEY to its token"
        )
        raise TargetError(f"refuses us: {shown} answered /v1/models with status {answer.status}; {remedy}")
    try:
        models = tuple(str(entry["id"]) for entry in answer.json()["data"]) if answer.status == 200 else None
    except (NotJson, TypeError, KeyError):
        models = None
    if models is None:
        raise TargetError(
            f"speaks no OpenAI API: {shown} answered /v1/models with status {answer.status} and "
            f"{answer.text[:60]!r}; give the base address of an OpenAI-compatible server"
        )
    return UrlTarget(url, models, why)
