"""The settings of a run, typed, each with a known origin.

Order: `-D name=value`, then the environment (the name in capitals), then `acceptance.toml`, then the
default. One rule for names: `-D test_port=8080`, `TEST_PORT=8080` and `test_port = 8080` are the same.
"""

from __future__ import annotations

import codecs
import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from support.errors import SettingsError
from support.results.decision import Gate
from support.results.program_version import ProgramVersion
from support.results.redaction import REDACTED, redactor_for, set_redactor
from support.results.scope import CAPABILITIES, FORMATS, Scope
from support.suite_folder import user_path
from support.user_files import problem_of, read_regular_file

SETTINGS_FILE = Path("acceptance.toml")
# A model without a file is a folder (SafeTensors).
MODEL_FILES = (".gguf", ".ggml")
OLLAMA_API_CHOICES = ("gateway", "ollama")
REPORTS = ("html", "json", "junit", "allure", "csv")
COMPARABLE_SERVERS = ("real", "reference", "gateway", "ollama")
# Environment names with this prefix belong to the suite alone, so an unknown one is a typing error.
ENVIRONMENT_PREFIX = "ACCEPTANCE_"
# Aider itself reads AIDER_MODEL: a user's own one must not change what is tested.
NOT_IN_ENVIRONMENT = frozenset({"aider_model"})
# Of the service levels: by the hardware of this machine.
AUTO_PROFILE = "auto"
NO_NAME = "a name is missing before the = (from -D); give -D NAME=VALUE"
NUMBERS = ("test_port", "test_batch_size", "acceptance_time_factor", "acceptance_jobs")
PATHS = (
    *("target_ca_file", "mistralrs_bin", "ollama_bin", "gateway_bin", "aider_bin", "cecli_bin"),
    *("prometheus_bin", "alertmanager_bin"),
    *(
        "test_model_path",
        "performance_thresholds",
        "performance_history",
        "acceptance_cache_dir",
        "acceptance_reports_dir",
        "acceptance_accepted",
    ),
)
_CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f]")
# The errors of pydantic that name types of Python.
_TYPE_ERRORS = {
    "bool_parsing": "it is neither true nor false",
    "bool_type": "it is neither true nor false",
    "float_parsing": "it is no number",
    "float_type": "it is no number",
    "finite_number": "it is no finite number",
    "int_from_float": "it is no whole number",
    "int_parsing": "it is no whole number",
    "int_parsing_size": "it is no whole number of this size",
    "int_type": "it is no whole number",
    "path_type": "it is no path",
    "string_type": "it is no text",
}
_AIDER_MODEL = re.compile(r"(?:openai|ollama_chat)/\S+")
# What the value of a header may have (RFC 9110, 5.5), without blanks.
_TOKEN = re.compile(r"[\x21-\x7e]+")
# Of a Python package, without its rare parts.
_RELEASE = re.compile(r"\d+(\.\d+)+((a|b|rc|\.dev|\.post)\d+)?", re.ASCII)


def default_cache() -> Path:
    """The user's cache, shared by all checkouts; `ACCEPTANCE_CACHE_DIR` moves it."""
    moved = os.environ.get("ACCEPTANCE_CACHE_DIR", "").strip()
    return Path(moved or platformdirs.user_cache_dir("mistralrs-acceptance", appauthor=False)).expanduser()


def _setting(default: object, description: str, hint: str = "", **limits: float) -> Any:
    """A setting; `hint` is shown with a wrong value. That of a switch or of a number with limits is known."""
    if isinstance(default, bool):
        hint = "give true or false"
    elif limits and not hint:
        hint = f"give a number from {limits['ge']:g} to {limits['le']:g}"
    constraints: dict[str, Any] = limits
    return Field(default, description=description, json_schema_extra={"hint": hint}, **constraints)


class Settings(BaseModel):
    """The settings of a user. Sizes and times carry their unit in the description."""

    model_config = ConfigDict(extra="forbid", validate_default=True)

    target_url: str | None = _setting(
        None,
        "URL of a running server to test; the suite then starts no server",
        "give a base address such as http://127.0.0.1:1234",
    )
    target_api_key: SecretStr | None = _setting(None, "sent as a bearer token to TARGET_URL", "give a token")
    target_ca_file: Path | None = _setting(
        None,
        "certificates (PEM) of a private CA, trusted for https besides the public ones; as SSL_CERT_FILE",
        "give a file of certificates in PEM form",
    )
    target_version: str | None = _setting(
        None,
        "program and version of the server at TARGET_URL, where it does not state them itself",
        "give for example mistralrs 0.9.2",
    )
    target_embedding_model: str | None = _setting(
        None,
        "an embedding model of the server at TARGET_URL; none: its embeddings are not tested",
        "give a name that its /v1/models lists",
    )
    mistralrs_bin: Path | None = _setting(
        None, "the mistral.rs program to test", "give the path of a mistralrs or mistralrs-server program"
    )
    ollama_api: str = _setting(
        "gateway",
        "Ollama API server to test: gateway (the bundled one), ollama (a real one), or a URL",
        "choose gateway or ollama, or give an address such as http://HOST:PORT",
    )
    ollama_url: str | None = _setting(
        None,
        "URL of a running Ollama; the suite creates its models there and removes them",
        "give a base address such as http://HOST:PORT",
    )
    ollama_bin: Path | None = _setting(
        None,
        "the Ollama program to start; none: the one on the PATH or in the cache",
        "give the path of an ollama program",
    )
    gateway_bin: Path | None = _setting(
        None,
        "the gateway program to start; none: the bundled one",
        "give the path of a program with the command line of mistralrs-gateway",
    )
    aider_bin: Path | None = _setting(
        None, "the Aider program to use; none: the one in the cache", "give the path of an aider program"
    )
    aider_version: str | None = _setting(
        None,
        "version of Aider in the cache; none: the one that the suite was written for",
        "give a version of the package aider-chat, for example 0.86.2",
    )
    cecli_bin: Path | None = _setting(
        None, "the cecli program to use; none: the one in the cache", "give the path of a cecli program"
    )
    cecli_version: str | None = _setting(
        None,
        "version of cecli in the cache; none: the one that the suite was written for",
        "give a version of the package cecli-dev, for example 1.10.0",
    )
    aider_model: str | None = _setting(
        None,
        "a capable model for the exercises of Aider; only by -D and in acceptance.toml",
        "give openai/NAME or ollama_chat/NAME",
    )
    prometheus_bin: Path | None = _setting(
        None,
        "the Prometheus program to start, with promtool beside it; none: the one on the PATH or in the cache",
        "give the path of a prometheus program",
    )
    alertmanager_bin: Path | None = _setting(
        None,
        "the Alertmanager program to start, with amtool beside it; none: the one on the PATH or in the cache",
        "give the path of an alertmanager program",
    )
    prometheus_url: str | None = _setting(
        None,
        "URL of a running Prometheus that scrapes mistral.rs servers; it is only read",
        "give a base address such as http://HOST:PORT",
    )
    grafana_url: str | None = _setting(
        None,
        "URL of a running Grafana; the suite makes a data source and a dashboard there and removes them",
        "give a base address such as http://HOST:PORT",
    )
    grafana_token: SecretStr | None = _setting(
        None, "sent as a bearer token to GRAFANA_URL: that of a service account", "give a token"
    )
    grafana_data_source: str | None = _setting(
        None,
        "uid of a data source of GRAFANA_URL; none: one is made for the Prometheus of the run",
        "give the uid of a Prometheus data source",
    )
    acceptance_target: Literal["auto", "real", "reference"] = _setting(
        "auto",
        "auto: a real server if one is found, else the reference server",
        "choose auto, real or reference",
    )
    test_model_path: Path | None = _setting(
        None, "folder of your own model, tested in model_loading", "give the folder that holds the model"
    )
    test_model_file: str | None = _setting(
        None,
        "file name inside TEST_MODEL_PATH (.gguf or .ggml); none: SafeTensors",
        "give a file name inside TEST_MODEL_PATH, or a path of a .gguf file",
    )
    test_port: int | None = _setting(
        None,
        "port of the server under test; none: a free one",
        "give a number from 1 to 65535, or leave it out for a free port",
        ge=1,
        le=65535,
    )
    test_batch_size: int = _setting(
        32, "requests that the server processes at the same time (--max-seqs)", ge=1, le=4096
    )
    test_verbose: bool = _setting(False, "detailed server logs and more detail on the terminal")
    rust_log: str | None = _setting(None, "log filter of the server", "for example info")
    acceptance_time_factor: float = _setting(
        1.0, "multiplies every time-out of the harness, never a performance limit", ge=1.0, le=20.0
    )
    performance_profile: str = _setting(
        AUTO_PROFILE, "the profile of the service levels: auto, or one of the file of thresholds"
    )
    performance_thresholds: Path | None = _setting(
        None, "a file of thresholds of your own (docs/performance.md)"
    )
    performance_history: Path | None = _setting(
        None, "file of the figures of earlier loads; none: performance-history.jsonl in the cache"
    )
    acceptance_jobs: int = _setting(
        1, "worker processes; 0: all runs in one process, for a debugger", ge=0, le=64
    )
    acceptance_compare: str | None = _setting(
        None,
        "more servers for the API cases and the matrix, comma-separated; they never fail a run",
        f"choose of {', '.join(COMPARABLE_SERVERS)}, or give mistralrs programs or addresses, http://HOST:PORT",
    )
    acceptance_cache_dir: Path = Field(
        default_factory=default_cache,
        description="folder of downloaded programs and generated models",
        json_schema_extra={"hint": "give a folder that can be written"},
    )
    acceptance_reports_dir: Path = _setting(
        Path("reports"), "folder of the reports", "give a folder that can be written"
    )
    acceptance_html: bool = _setting(True, "make reports/index.html")
    acceptance_reports: str = _setting(
        "html,json,junit,allure",
        "the reports to keep, separated by commas; json and csv are always made",
        f"choose of {', '.join(REPORTS)}",
    )
    acceptance_strict: bool = _setting(False, "an unmet need is a failure instead of a skip")
    acceptance_gate: Gate | None = _setting(
        None,
        "what decides between GO and NO-GO: release (unlisted failures, known blockers), regression "
        "(unlisted failures) or strict (all failures); none: release, for the reference server regression",
        "choose release, regression or strict",
    )
    acceptance_accepted: Path = _setting(
        Path("accepted.toml"),
        "file of the failures that are accepted until a date",
        "give a file that `acceptance accept` wrote",
    )
    acceptance_scope: str = _setting(
        "",
        "the capabilities and model formats in use, separated by commas; others are not run (default: all)",
        f"choose of {', '.join((*CAPABILITIES, *FORMATS))}",
    )
    acceptance_cases: str = _setting(
        "",
        "only these cases of the groups that are run, by id, separated by commas (default: all)",
        "give ids such as openai.chat.body.empty",
    )

    @field_validator(*NUMBERS, mode="before")
    @classmethod
    def _number(cls, value: object) -> object:
        """pydantic takes `true` for 1."""
        if isinstance(value, bool):
            raise ValueError("true and false are no numbers")
        return value

    @field_validator(*PATHS, mode="before")
    @classmethod
    def _path(cls, value: object) -> object:
        """`~` is the home of the user: a shell expands it neither in quotes nor behind `=`."""
        if value == "":
            raise ValueError("it is empty")
        if not isinstance(value, str | Path):
            return value
        return user_path(_expanded(str(value)))

    # The last one of its kind: pydantic calls it first.
    @field_validator("*", mode="before")
    @classmethod
    def _trimmed(cls, value: object) -> object:
        """Without the line feed of the file that a value is from; a control character is in no good one."""
        if not isinstance(value, str):
            return value
        if _CONTROL_CHARACTERS.search(value.strip()):
            raise ValueError("it has a control character")
        return value.strip()

    @field_validator("target_api_key", "grafana_token")
    @classmethod
    def _token(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and not _TOKEN.fullmatch(key.get_secret_value()):
            raise ValueError("a header cannot carry it: it is empty, or has blanks or letters beyond ASCII")
        return key

    @field_validator("ollama_api")
    @classmethod
    def _ollama_api_choice(cls, value: str) -> str:
        if value in OLLAMA_API_CHOICES:
            return value
        return str(cls._absolute_http(value))

    @field_validator("target_url", "ollama_url", "prometheus_url", "grafana_url")
    @classmethod
    def _absolute_http(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or len(url.split()) > 1:
            raise ValueError("not an http or https address")
        try:
            _ = parts.port
        except ValueError:
            # urllib's message repeats the value, which may be a password.
            raise ValueError("its port is no number from 0 to 65535") from None
        return url.rstrip("/").removesuffix("/v1")

    @field_validator("aider_model")
    @classmethod
    def _aider_model_name(cls, name: str | None) -> str | None:
        if name is not None and not _AIDER_MODEL.fullmatch(name):
            raise ValueError("it has no provider that is tested, or no name")
        return name

    @field_validator("target_embedding_model")
    @classmethod
    def _name_of_a_model(cls, name: str | None) -> str | None:
        if name == "":
            raise ValueError("it is empty")
        return name

    @field_validator("target_version")
    @classmethod
    def _program_and_version(cls, text: str | None) -> str | None:
        return str(ProgramVersion.parse(text)) if text else None

    @field_validator("aider_version", "cecli_version")
    @classmethod
    def _version_of_a_package(cls, version: str | None) -> str | None:
        """It is the name of a folder, too."""
        if version is not None and not _RELEASE.fullmatch(version):
            raise ValueError("it is no version of a package")
        return version

    @field_validator("target_ca_file")
    @classmethod
    def _certificates(cls, file: Path | None) -> Path | None:
        """Absolute: a program that is started in another folder gets it too."""
        if file is None:
            return None
        if problem := certificate_file_problem(file):
            raise ValueError(problem)
        return file.absolute()

    @field_validator("test_model_path")
    @classmethod
    def _folder(cls, path: Path | None) -> Path | None:
        if path is not None and not path.is_dir():
            raise ValueError("there is no such folder")
        return path

    @field_validator("acceptance_cache_dir")
    @classmethod
    def _creatable(cls, folder: Path) -> Path:
        # Here and not at the first model: an error there reads as one of the server under test.
        try:
            existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        except OSError as error:
            raise ValueError(f"it cannot be opened ({problem_of(error)})") from None
        if not existing.is_dir():
            raise ValueError(f"{existing} is a file, not a folder")
        if existing != folder and not os.access(existing, os.W_OK | os.X_OK):
            raise ValueError(f"nothing can be created in {existing}")
        return folder

    @field_validator("test_model_file")
    @classmethod
    def _none_when_empty(cls, file: str | None) -> str | None:
        if file and not file.lower().endswith(MODEL_FILES):
            raise ValueError(f"its name does not end with {' or '.join(MODEL_FILES)}")
        return str(_expanded(file)) if file else None

    @field_validator("acceptance_reports")
    @classmethod
    def _known_reports(cls, names: str) -> str:
        unknown = [name for name in names.split(",") if name.strip() not in REPORTS]
        if unknown:
            raise ValueError(f"there is no report {unknown[0]!r}")
        return names

    @field_validator("acceptance_scope")
    @classmethod
    def _known_scope(cls, names: str) -> str:
        Scope.parse(names)
        return names

    @field_validator("acceptance_compare")
    @classmethod
    def _comparable(cls, names: str | None) -> str | None:
        for name in _listed(names):
            if name in COMPARABLE_SERVERS or compared_program(name):
                continue
            if not name.startswith(("http://", "https://")):
                raise ValueError("one of them is no server to compare with")
            cls._absolute_http(name)
        return names

    @property
    def api_key(self) -> str | None:
        """The value of `target_api_key`."""
        return self.target_api_key.get_secret_value() if self.target_api_key else None

    @property
    def load_history(self) -> Path:
        """The file of `performance_history`."""
        return self.performance_history or self.acceptance_cache_dir / "performance-history.jsonl"

    @property
    def selected_checks(self) -> frozenset[str]:
        """The ids of `acceptance_cases`; empty: all checks."""
        return frozenset(filter(None, self.acceptance_cases.split(",")))

    @property
    def scope(self) -> Scope:
        """The capabilities and formats of `acceptance_scope`."""
        return Scope.parse(self.acceptance_scope)

    @property
    def compared_servers(self) -> tuple[str, ...]:
        """The servers of `acceptance_compare`, one by one."""
        return _listed(self.acceptance_compare)

    @property
    def second_mistralrs(self) -> str | None:
        """The first of these servers that is a mistral.rs."""
        return next((name for name in self.compared_servers if name not in OLLAMA_API_CHOICES), None)

    def report_enabled(self, report: str) -> bool:
        """Whether one of `REPORTS` is to be kept."""
        if report == "html" and not self.acceptance_html:
            return False
        return report == "json" or report in (name.strip() for name in self.acceptance_reports.split(","))

    @property
    def user_model(self) -> tuple[Path, str | None] | None:
        """The user's model as (folder, file), or None when none was given."""
        if self.test_model_path is None:
            return None
        return self.test_model_path, self.test_model_file

    def seconds(self, wait: float) -> float:
        """A time-out of the harness in seconds, scaled for slow machines."""
        return wait * self.acceptance_time_factor


def _expanded(path: str) -> Path:
    """`Path.expanduser` with an error that pydantic understands."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise ValueError("there is no home folder of that user") from None


def compared_program(name: str) -> Path | None:
    """The program that this name of a server to compare with is a path of; raises ValueError."""
    path = user_path(_expanded(name))
    return path if os.path.isfile(path) else None  # noqa: PTH113 - False for a name that is too long


def _listed(names: str | None) -> tuple[str, ...]:
    return tuple(filter(None, map(str.strip, (names or "").split(","))))


@dataclass(frozen=True)
class ResolvedSettings:
    """Settings with where each came from."""

    settings: Settings
    origins: Mapping[str, str]

    def table(self) -> list[tuple[str, str, str]]:
        """Rows of (name, value, origin) with secrets redacted, those a person chose first."""
        rows = [
            (name, redacted(getattr(self.settings, name)), self.origins.get(name, "default"))
            for name in Settings.model_fields
        ]
        return sorted(rows, key=lambda row: row[2] == "default")


def redacted(value: object) -> str:
    """A value as it may be printed: no secret, no password inside a URL."""
    if isinstance(value, SecretStr):
        return REDACTED
    if value is None:
        return "-"
    if isinstance(value, bool):
        return str(value).lower()
    return redact_url(str(value))


def redact_url(text: str) -> str:
    """The same address without user, password and query values; also of one that is no good address."""
    scheme, separator, rest = text.partition("://")
    if not separator:
        return text
    _, at, place = rest.rpartition("@")
    place, query, _ = place.partition("#")[0].partition("?")
    return f"{scheme}://{REDACTED + at if at else ''}{place}{query + REDACTED if query else ''}"


def certificate_file_problem(file: Path) -> str:
    """Why no certificate can be read from it; empty when one can."""
    import ssl

    if not file.is_file():
        return "there is no such file"
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=file)
    except OSError:
        return "it has no certificate in PEM form"
    return ""


_ca_file: Path | None = None


def ca_file() -> Path | None:
    """`target_ca_file` of the settings that were read last: clients are made where no settings are."""
    return _ca_file


def misspelled_names(names: Iterable[str]) -> dict[str, str]:
    """Of these names of variables those that almost are a setting's, each with that of the setting."""
    settings = [name.upper() for name in Settings.model_fields]
    close = {
        name: difflib.get_close_matches(name.upper(), settings, n=1, cutoff=0.85)
        for name in sorted(set(names))
        if name.upper() not in settings
    }
    return {name: found[0] for name, found in close.items() if found}


def source_of(name: str, origins: Mapping[str, str]) -> str:
    """Where the value of a setting is from, in the form that a user has typed: TARGET_URL, --target."""
    origin = origins.get(name, name.upper())
    if origin == str(SETTINGS_FILE):
        return f"{name} in {origin}"
    return origin.removeprefix("environment variable ")


def load_settings(
    defines: Mapping[str, Any] | None = None, options: Mapping[str, str] | None = None
) -> ResolvedSettings:
    """Read all sources; raises `SettingsError` with one line for the first thing that is wrong.

    `options`: the option of the command line that each of some defines is from.
    """
    known = Settings.model_fields
    chosen = {name.strip().lower(): value for name, value in (defines or {}).items()}
    in_file = _read_file(user_path(SETTINGS_FILE))

    for name, setting, origin in [
        *((name, name, f"-D {name}=...") for name in chosen),
        *(
            (name, name.lower(), f"environment variable {name}")
            for name in os.environ
            if name.startswith(ENVIRONMENT_PREFIX)
        ),
        *((name, name, str(SETTINGS_FILE)) for name in in_file),
    ]:
        if setting not in known:
            raise _unknown_setting(name, origin)

    # Small letters count too, an empty value does not.
    in_environ = {name.lower(): name for name, value in os.environ.items() if value.strip()}
    variables = {name: in_environ[name] for name in {*known} - NOT_IN_ENVIRONMENT if name in in_environ}
    origins = (
        dict.fromkeys(in_file, str(SETTINGS_FILE))
        | {name: f"environment variable {variable}" for name, variable in variables.items()}
        | {name: (options or {}).get(name, f"-D {name}") for name in chosen}
    )
    values = in_file | {name: os.environ[variable] for name, variable in variables.items()} | chosen
    # Also for the error of a wrong value.
    tokens = [str(values.get("grafana_token") or "")]
    set_redactor(redactor_for(str(values.get("target_api_key") or ""), tokens=tokens))
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        raise _invalid_setting(error, origins) from None
    _check_model_file(settings, origins)
    global _ca_file
    _ca_file = settings.target_ca_file
    # Here and not later: from now on texts may contain them.
    # Not all of them are addresses; the other values are no secret.
    addresses = (
        *(settings.target_url, settings.ollama_url, settings.ollama_api, *settings.compared_servers),
        *(settings.prometheus_url, settings.grafana_url),
    )
    set_redactor(redactor_for(settings.api_key, addresses, tokens=tokens))
    return ResolvedSettings(settings, origins)


def _read_file(file: Path) -> dict[str, object]:
    """Editors and shells of Windows write a byte order mark, and UTF-16."""
    try:
        data = read_regular_file(file)
        encoding = "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
        return tomllib.loads(data.decode(encoding))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise SettingsError(
            f"settings file {file}: cannot be read ({problem_of(error)}); correct it or remove it"
        ) from None


def _unknown_setting(name: str, origin: str) -> SettingsError:
    if not name:
        return SettingsError(NO_NAME)
    near = difflib.get_close_matches(name.lower(), Settings.model_fields, n=1, cutoff=0.5)
    advice = f"did you mean {near[0]}?" if near else "`acceptance settings` lists all settings"
    return SettingsError(f"unknown setting {name} (from {origin}): {advice}")


def _invalid_setting(error: ValidationError, origins: Mapping[str, str]) -> SettingsError:
    first = error.errors()[0]
    name = str(first["loc"][0])
    field = Settings.model_fields[name]
    extra = field.json_schema_extra
    hint = extra["hint"] if isinstance(extra, dict) else field.description
    given = first.get("input")
    # A default is a Path, what a user gives is a text.
    shown = repr(str(given) if isinstance(given, Path) else given)
    value = REDACTED if _is_secret(name, given) else redact_url(shown)
    reason = _TYPE_ERRORS.get(first["type"]) or str(first["msg"]).replace("Input should", "it should")
    # A validator of this module: its text may begin with a path.
    own = first["type"] == "value_error"
    reason = reason.removeprefix("Value error, ") if own else reason[:1].lower() + reason[1:]
    return SettingsError(
        f"setting {name} = {value} (from {origins.get(name, 'default')}) is wrong: {reason}; {hint}"
    )


def _is_secret(name: str, value: object) -> bool:
    if name in ("target_url", "ollama_url", "ollama_api", "acceptance_compare"):
        # Without a scheme the end of a password is unknown.
        return "@" in str(value) and "://" not in str(value)
    return "SecretStr" in str(Settings.model_fields[name].annotation)


def _check_model_file(settings: Settings, origins: Mapping[str, str]) -> None:
    folder, file = settings.test_model_path, settings.test_model_file
    if file is None:
        if folder is not None and not any(path.is_file() for path in folder.glob("*.safetensors")):
            raise SettingsError(
                f"setting test_model_path = {str(folder)!r} (from {origins['test_model_path']}) is wrong: "
                "there is no .safetensors file in the folder; give the folder of a SafeTensors model, or the "
                "file of a GGUF or GGML model (--model PATH, or test_model_file)"
            )
        return
    origin = origins.get("test_model_file", "default")
    if settings.test_model_path is None:
        raise SettingsError(
            f"setting test_model_file = {file!r} (from {origin}) is wrong: test_model_path is not set; "
            "give the folder that holds the file"
        )
    if not (settings.test_model_path / file).is_file():
        raise SettingsError(
            f"setting test_model_file = {file!r} (from {origin}) is wrong: there is no such file in "
            f"{settings.test_model_path}; give a file name inside that folder"
        )
