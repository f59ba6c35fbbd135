"""Which server is under test: found once, before anything starts, with the reason."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from support.errors import TargetError
from support.programs.child_environment import child_environment
from support.programs.install import EXECUTABLE_SUFFIX
from support.programs.mistralrs import MISTRALRS
from support.programs.process import CommandTimeout, CompletedCommand, OutputTooLong, run_command
from support.programs.run_directory import temp_prefix
from support.results.program_version import REFERENCE, ProgramVersion
from support.results.redaction import redact
from support.servers.command_line import CommandLine, command_line_of
from support.settings import Settings, redact_url, source_of
from support.suite_folder import is_installed_package
from support.user_files import problem_of

VERSION_SECONDS = 10.0
URL_SECONDS = 5.0
SHOWN_CHARACTERS = 60
# mistral.rs' name for whatever it serves: another name of a model, not another model.
DEFAULT_ALIAS = "default"
# The program of a server at a URL that states none.
UNKNOWN = "url"
VERSION_LINE = re.compile(r"^(mistralrs(?:-server|-reference)?) (\d+\.\d+\.\d+\S*)$", re.MULTILINE)


@dataclass(frozen=True)
class CommandTarget:
    """A program that the suite starts itself. `why`: how it was chosen; `model_name`: that in requests."""

    path: Path
    program: str
    version: str
    why: str
    model_name = DEFAULT_ALIAS

    @property
    def command_line(self) -> CommandLine:
        return command_line_of(self.program)

    @property
    def label(self) -> str:
        return f"{self.program} {self.version}"


@dataclass(frozen=True)
class UrlTarget:
    """A server that is already running. `models`: the names that it lists.

    `other_answer`: what it answered where it serves another model than the scripted one.
    `first_answer_failure`: what was wrong with its first answer (support/servers/served_model.py).
    """

    url: str
    models: tuple[str, ...]
    why: str
    program: str = UNKNOWN
    version: str = "-"
    other_answer: str | None = None
    first_answer_failure: str = ""

    @property
    def label(self) -> str:
        known = "server" if self.is_version_unknown else f"{self.program} {self.version}"
        return f"{known} at {redact_url(self.url)}"

    @property
    def is_version_unknown(self) -> bool:
        """Whether neither the server nor the setting `target_version` states program and version."""
        return self.program == UNKNOWN

    @property
    def model_name(self) -> str:
        """The model name for requests: `default` as on mistral.rs, else the first one listed."""
        return DEFAULT_ALIAS if DEFAULT_ALIAS in self.models or not self.models else self.models[0]

    @property
    def has_only_the_scripted_model(self) -> bool:
        """Whether its one model is the scripted one, of which the suite has the file."""
        return self.other_answer is None and len({*self.models} - {DEFAULT_ALIAS}) <= 1

    @property
    def other_model_reason(self) -> str | None:
        """Why it cannot give the scripted answers, with the remedy; None when it can."""
        if self.other_answer is None:
            return None
        return (
            "requires the suite's scripted model; the server at TARGET_URL serves a different one, which "
            f"answered {self.other_answer[:SHOWN_CHARACTERS]!r}: serve what `acceptance model` prints"
        )

    @property
    def model_id(self) -> str:
        """The id of that model: `default` is an alias of the first one beside it."""
        return next((name for name in self.models if name != DEFAULT_ALIAS), self.model_name)


Target = CommandTarget | UrlTarget


def target_options(target: Target, settings: Settings) -> list[str]:
    """The options of `acceptance run` that choose this target; none where it is found without."""
    options = []
    if isinstance(target, UrlTarget):
        options = ["--target", redact_url(target.url)]
    elif target.program == REFERENCE:
        options = ["--target", "reference"]
    elif settings.mistralrs_bin is not None:
        options = ["--target", str(target.path)]
    if settings.ollama_api != "gateway":
        options += ["-D", f"ollama_api={redact_url(settings.ollama_api)}"]
    return options


@dataclass(frozen=True)
class TargetChoice:
    """The target before any request: a program, or none for a URL. `source`: the setting it is from."""

    why: str
    source: str
    program: Path | None = None


def discover(settings: Settings, origins: Mapping[str, str] | None = None) -> Target:
    """The target in the documented order; raises `TargetError` with one line.

    `origins`: where settings are from, for its messages.
    """
    choice = choose(settings, origins)
    if choice.program is None:
        return _connect(settings, choice, origins or {})
    target = _identify(choice.program, choice)
    _require_same(settings, origins or {}, ProgramVersion(target.program, target.version), str(target.path))
    return target


def change_at_end(target: Target, settings: Settings, origins: Mapping[str, str] | None = None) -> str:
    """What is wrong with the server at a URL after the run; empty when it responds as before.

    Its last scenario may have ended it, and another version may have been started at the same URL.
    """
    if not isinstance(target, UrlTarget):
        return ""
    # It may still be busy with what the last scenario requested.
    patient = settings.model_copy(update={"acceptance_time_factor": 4 * settings.acceptance_time_factor})
    try:
        now = discover(patient, origins)
    except TargetError as error:
        return f"after the last scenario: {error}"
    same = (now.program, now.version) == (target.program, target.version)
    return "" if same else f"{target.label} at the start of the run is {now.label} at its end"


def unidentified(settings: Settings, origins: Mapping[str, str] | None = None) -> Target:
    """What is known of the target where `discover` raises `TargetError`."""
    choice = choose(settings, origins)
    if choice.program is None:
        target = UrlTarget(settings.target_url or "", (), choice.why)
        return _with_version(target, _given_version(settings))
    return CommandTarget(choice.program, choice.program.stem, "(version not known)", choice.why)


def choose(settings: Settings, origins: Mapping[str, str] | None = None) -> TargetChoice:
    """The choice and its reason; raises `TargetError` when a real server is required and there is none."""
    if settings.target_url is not None and settings.acceptance_target == "auto":
        source = source_of("target_url", origins or {})
        return TargetChoice(f"{source} is set", source)
    if settings.acceptance_target == "reference":
        return _reference("acceptance_target is reference")
    if settings.mistralrs_bin is not None:
        source = source_of("mistralrs_bin", origins or {})
        return TargetChoice(f"{source} is set", source, settings.mistralrs_bin)
    on_path = shutil.which("mistralrs") or shutil.which("mistralrs-server")
    if on_path:
        return TargetChoice("found on the PATH", "the PATH", Path(on_path))
    cached = MISTRALRS.program(settings.acceptance_cache_dir)
    if cached is not None:
        return TargetChoice("found in the project's cache", "the project's cache", cached)
    if settings.acceptance_target == "real":
        raise TargetError(
            "no real mistral.rs: none by MISTRALRS_BIN, on the PATH or in the project's cache; "
            "`acceptance get mistralrs` installs it"
        )
    if is_installed_package():
        # The package judges a server in a pipeline: a variable that is missing there must be no GO.
        raise TargetError(
            "no target: none by TARGET_URL or MISTRALRS_BIN, on the PATH or in the project's cache; give "
            "--target with a URL, the path of a mistralrs program, or reference for the bundled server"
        )
    return _reference(
        "no TARGET_URL, no MISTRALRS_BIN, no mistralrs on the PATH or in the project's cache; "
        "`acceptance get mistralrs` gets the real one"
    )


def _reference(why: str) -> TargetChoice:
    path = Path(sys.executable).parent / f"mistralrs-reference{EXECUTABLE_SUFFIX}"
    return TargetChoice(why, "the project's environment", path)


def _identify(path: Path, choice: TargetChoice) -> CommandTarget:
    """Run the program for its version; raises `TargetError` with one line."""
    named = f"{path} (from {choice.source})"
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise TargetError(f"no such program: {named}; give the path of a mistralrs binary") from None
    except OSError as error:
        raise TargetError(
            f"cannot be read: {named}: {problem_of(error)}; correct the permissions of it and its folders"
        ) from None
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
                env=child_environment(Path(folder)),
            )
        except OutputTooLong as error:
            raise TargetError(f"{redact(str(error))[:200]}: {named}; is it a mistral.rs program?") from None
        except CommandTimeout:
            raise TargetError(
                f"no answer to --version within {VERSION_SECONDS:.0f} s: {named}; is it a mistral.rs program?"
            ) from None
        except OSError as error:
            raise TargetError(
                f"cannot be started: {named}: {problem_of(error)}; was it built for this machine?"
            ) from None
    match = VERSION_LINE.search(outcome.stdout)
    if outcome.exit_code != 0 or match is None:
        raise TargetError(
            f"not a mistral.rs program: {named} {_version_output(outcome)}; "
            "expected a line such as `mistralrs 0.8.1`"
        )
    return CommandTarget(path, match[1], match[2], choice.why)


def _version_output(outcome: CompletedCommand) -> str:
    lines = (outcome.stdout.strip() or outcome.stderr.strip()).splitlines()
    printed = f"printed {lines[0][:80]!r}" if lines else "printed nothing"
    return f"{printed} for --version (exit code {outcome.exit_code})"


def _given_version(settings: Settings) -> ProgramVersion | None:
    return ProgramVersion.parse(settings.target_version) if settings.target_version else None


def _with_version(target: UrlTarget, known: ProgramVersion | None) -> UrlTarget:
    return target if known is None else replace(target, program=known.program, version=known.version)


def _require_same(
    settings: Settings, origins: Mapping[str, str], stated: ProgramVersion, target: str
) -> None:
    """Raises `TargetError` when the setting `target_version` is another program or version."""
    given = _given_version(settings)
    if given is not None and given.contradicts(stated):
        source = source_of("target_version", origins)
        raise TargetError(
            f"target_version is {given} (from {source}), but {target} states {stated}; correct or remove it"
        )


def _connect(settings: Settings, choice: TargetChoice, origins: Mapping[str, str]) -> UrlTarget:
    """Request the model list, the least that an OpenAI API has; raises `TargetError` with one line."""
    # Not at the top: a run that tests a program sends HTTP requests in its workers only.
    import httpx

    from support.http.client import ApiClient, RequestFailed, tls_problem
    from support.http.exchange import NotJson
    from support.servers.stated_version import stated_version

    url = settings.target_url
    assert url is not None
    shown = f"{redact_url(url)} (from {choice.source})"
    timeout = settings.seconds(URL_SECONDS)
    try:
        with contextlib.closing(
            ApiClient(url, api_key=settings.api_key, timeout=timeout, may_be_silent=True)
        ) as client:
            answer = client.get("/v1/models")
            stated = stated_version(client, answer) if answer.status == 200 else None
    except (RequestFailed, httpx.InvalidURL) as error:
        cause = error.__cause__ or error.__context__
        remedy = "; start the server and let it load its model first"
        if tls_problem(cause):
            remedy = ""
        elif url.lower().startswith("http:") and isinstance(
            cause, httpx.ReadError | httpx.RemoteProtocolError
        ):
            # A port with TLS resets the connection, or sends an alert.
            remedy = "; is it https, not http?"
        raise TargetError(f"cannot be reached: {shown}: {redact(str(error))}{remedy}") from None
    if answer.status in (401, 403):
        remedy = (
            "TARGET_API_KEY is not the right token" if settings.api_key else "set TARGET_API_KEY to its token"
        )
        raise TargetError(f"access denied: {shown} answered /v1/models with status {answer.status}; {remedy}")
    try:
        models = tuple(str(entry["id"]) for entry in answer.json()["data"]) if answer.status == 200 else None
    except (NotJson, TypeError, KeyError):
        models = None
    if models is None:
        raise TargetError(
            f"no OpenAI API: {shown} answered /v1/models with {answer.in_short}; "
            "give the base address of an OpenAI-compatible server"
        )
    if stated is not None and stated.named:
        _require_same(settings, origins, stated, redact_url(url))
        return _with_version(UrlTarget(url, models, choice.why), stated)
    return _with_version(UrlTarget(url, models, choice.why), _given_version(settings) or stated)
