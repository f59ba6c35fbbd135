"""Sources of settings, error messages of wrong ones, and the protection of secrets."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from support.errors import EXIT_USAGE, SettingsError
from support.results.redaction import REDACTED, redact
from support.settings import (
    Settings,
    compared_program,
    default_cache,
    load_settings,
    misspelled_names,
    redact_url,
)

Say = Callable[[str, str, str], dict[str, str]]
SOURCES = ("define", "environment", "file")
SECRET = "s3cr3t"


@pytest.fixture(autouse=True)
def _nothing_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.lower() in Settings.model_fields or name.startswith("ACCEPTANCE_"):
            monkeypatch.delenv(name)


@pytest.fixture
def say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Say:
    """Sets a name in one of the sources; what `-D` would give is returned."""

    def set_in(source: str, name: str, value: str) -> dict[str, str]:
        if source == "define":
            return {name: value}
        if source == "environment":
            monkeypatch.setenv(name.upper(), value)
        elif source == "file":
            with (tmp_path / "acceptance.toml").open("a") as file:
                file.write(f"{name} = '{value}'\n")
        return {}

    return set_in


def error_of(defines: dict[str, str] | None = None) -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings(defines)
    assert caught.value.exit_code == EXIT_USAGE
    text = str(caught.value)
    assert len(text.splitlines()) == 1, f"more than one line: {text!r}"
    return text


def origin_words(source: str, name: str) -> str:
    return {
        "define": f"-D {name}",
        "environment": f"environment variable {name.upper()}",
        "file": "acceptance.toml",
        "default": "default",
    }[source]


# -- order


@pytest.mark.parametrize(
    ("higher", "lower"),
    [
        ("define", "environment"),
        ("define", "file"),
        ("define", "default"),
        ("environment", "file"),
        ("environment", "default"),
        ("file", "default"),
    ],
)
def test_a_higher_source_wins_over_a_lower_one(say: Say, higher: str, lower: str) -> None:
    defines = say(higher, "test_batch_size", "7") | say(lower, "test_batch_size", "9")
    defines = defines | say(higher, "test_batch_size", "7") if higher == "define" else defines
    in_force = load_settings(defines)
    assert in_force.settings.test_batch_size == 7
    assert ("test_batch_size", "7", origin_words(higher, "test_batch_size")) in in_force.table()


def test_the_highest_of_all_three_sources_wins(say: Say) -> None:
    say("file", "test_port", "3333")
    say("environment", "test_port", "2222")
    assert load_settings({"test_port": "1111"}).settings.test_port == 1111
    assert load_settings().settings.test_port == 2222


def test_different_settings_come_from_different_sources_at_once(say: Say) -> None:
    say("file", "rust_log", "info")
    say("environment", "test_port", "2222")
    in_force = load_settings({"test_verbose": "true"})
    origins = {name: origin for name, _, origin in in_force.table() if origin != "default"}
    assert origins == {
        "rust_log": "acceptance.toml",
        "test_port": "environment variable TEST_PORT",
        "test_verbose": "-D test_verbose",
    }


def test_settings_that_a_person_chose_come_first_in_the_table(say: Say) -> None:
    say("environment", "acceptance_html", "false")
    rows = load_settings().table()
    assert rows[0] == ("acceptance_html", "false", "environment variable ACCEPTANCE_HTML")
    assert {origin for *_, origin in rows[1:]} == {"default"}
    assert len(rows) == len(Settings.model_fields)


def test_without_any_source_every_default_holds() -> None:
    settings = load_settings().settings
    assert (settings.target_url, settings.mistralrs_bin, settings.test_port) == (None, None, None)
    assert (settings.acceptance_target, settings.test_batch_size) == ("auto", 32)


def test_an_empty_environment_variable_counts_as_not_set(say: Say) -> None:
    say("environment", "test_port", "")
    assert load_settings().settings.test_port is None
    assert ("test_port", "-", "default") in load_settings().table()


def test_names_on_the_command_line_may_be_in_capitals() -> None:
    assert load_settings({"TEST_PORT": "1111"}).settings.test_port == 1111


@pytest.mark.skipif(os.name == "nt", reason="names have no case there")
def test_an_environment_variable_in_small_letters_is_named_as_it_was_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("test_port", "2222")
    in_force = load_settings()
    assert ("test_port", "2222", "environment variable test_port") in in_force.table()


# -- names that people already use


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("TEST_PORT", "8080", 8080),
        ("TEST_BATCH_SIZE", "4", 4),
        ("TEST_VERBOSE", "1", True),
        ("TEST_VERBOSE", "off", False),
        ("RUST_LOG", "mistralrs=debug", "mistralrs=debug"),
        ("MISTRALRS_BIN", "bin/mistralrs", Path("bin/mistralrs")),
        ("TARGET_URL", "http://127.0.0.1:1234/v1/", "http://127.0.0.1:1234"),
        ("TARGET_URL", "https://host.example/api", "https://host.example/api"),
    ],
)
def test_a_legacy_name_keeps_working(say: Say, name: str, text: str, value: object) -> None:
    say("environment", name, text)
    assert getattr(load_settings().settings, name.lower()) == value


def test_a_model_of_your_own_is_named_by_folder_and_file(say: Say, tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "m.gguf").touch()
    (tmp_path / "weights" / "model.safetensors").touch()
    assert load_settings().settings.user_model is None
    say("environment", "TEST_MODEL_PATH", "weights")
    assert load_settings().settings.user_model == (Path("weights"), None)
    say("environment", "TEST_MODEL_FILE", "m.gguf")
    assert load_settings().settings.user_model == (Path("weights"), "m.gguf")


def test_time_outs_scale_with_the_time_factor() -> None:
    assert load_settings({"acceptance_time_factor": "2.5"}).settings.seconds(2) == 5.0


# -- wrong values

WRONG = [
    ("ollama_api", "bundled", "not an http or https address", "choose gateway or ollama"),
    ("ollama_url", "127.0.0.1:1234", "not an http or https address", "http://HOST:PORT"),
    ("target_url", "ftp://host/", "not an http or https address", "http://127.0.0.1:1234"),
    ("target_url", "127.0.0.1:1234", "not an http or https address", "http://127.0.0.1:1234"),
    ("target_url", "http://host:123456", "port", "http://127.0.0.1:1234"),
    ("target_url", "http://[::1", "IPv6", "http://127.0.0.1:1234"),
    ("acceptance_target", "rael", "'auto', 'real' or 'reference'", "choose auto, real or reference"),
    ("test_model_path", "nowhere", "no such folder", "give the folder"),
    ("test_port", "http", "it is no whole number;", "1 to 65535"),
    ("test_port", "0", "greater than or equal to 1", "1 to 65535"),
    ("test_port", "65536", "less than or equal to 65535", "1 to 65535"),
    ("test_batch_size", "0", "greater than or equal to 1", "1 to 4096"),
    ("test_batch_size", "many", "it is no whole number;", "1 to 4096"),
    ("test_verbose", "loud", "it is neither true nor false;", "true or false"),
    ("acceptance_time_factor", "0.5", "greater than or equal to 1", "1 to 20"),
    ("acceptance_time_factor", "nan", "", "1 to 20"),
    ("acceptance_html", "maybe", "it is neither true nor false;", "true or false"),
    ("acceptance_strict", "maybe", "it is neither true nor false;", "true or false"),
    ("acceptance_gate", "lenient", "'release', 'regression' or 'strict'", "choose release"),
    ("acceptance_scope", "openai", "close matches: openai_api", "choose of binary_health"),
]


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(("name", "value", "reason", "remedy"), WRONG)
def test_a_wrong_value_is_one_line_with_name_origin_reason_and_remedy(
    say: Say, source: str, name: str, value: str, reason: str, remedy: str
) -> None:
    text = error_of(say(source, name, value))
    assert text.startswith(f"setting {name} = {value!r} (from {origin_words(source, name)}) is wrong: ")
    assert reason in text
    assert remedy in text


@pytest.mark.parametrize("source", SOURCES)
def test_a_model_file_without_its_folder_is_refused(say: Say, source: str) -> None:
    text = error_of(say(source, "test_model_file", "m.gguf"))
    assert "test_model_file = 'm.gguf'" in text
    assert origin_words(source, "test_model_file") in text
    assert "test_model_path is not set; give the folder" in text


def test_a_model_file_that_is_not_in_its_folder_is_refused(tmp_path: Path) -> None:
    text = error_of({"test_model_path": str(tmp_path), "test_model_file": "m.gguf"})
    assert "no such file" in text
    assert str(tmp_path) in text
    assert "give a file name" in text


def test_a_table_where_a_value_belongs_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "acceptance.toml").write_text("[test_port]\nx = 1\n")
    assert "setting test_port" in error_of()


# -- unknown names


@pytest.mark.parametrize("source", SOURCES)
def test_an_unknown_name_is_refused_with_a_suggestion(say: Say, source: str) -> None:
    text = error_of(say(source, "acceptance_tarjet", "real"))
    assert "unknown setting" in text
    assert "acceptance_tarjet" in text.lower()
    assert origin_words(source, "acceptance_tarjet") in text
    assert text.endswith("did you mean acceptance_target?")


@pytest.mark.parametrize(("source", "name"), [("define", "zzz"), ("file", "zzz")])
def test_an_unknown_name_unlike_any_other_points_to_the_list(say: Say, source: str, name: str) -> None:
    assert "`acceptance settings` lists all settings" in error_of(say(source, name, "1"))


@pytest.mark.parametrize("source", ("define", "file"))
def test_the_model_of_aider_is_set_by_the_suites_own_sources(source: str, say: Say) -> None:
    assert load_settings(say(source, "aider_model", "openai/coder")).settings.aider_model == "openai/coder"


def test_the_variable_aider_model_belongs_to_aider(say: Say) -> None:
    resolved = load_settings(say("environment", "aider_model", "gpt-4o"))
    assert resolved.settings.aider_model is None
    assert "aider_model" not in resolved.origins


@pytest.mark.parametrize("name", ("coder", "gpt/coder", "openai/", "ollama_chat/two words"))
def test_the_model_of_aider_needs_provider_and_name(name: str) -> None:
    with pytest.raises(SettingsError, match="give openai/NAME or ollama_chat/NAME"):
        load_settings({"aider_model": name})


def test_foreign_environment_variables_are_none_of_our_business(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_PROT", "1")
    assert load_settings().settings.test_port is None


def test_a_name_in_capitals_in_the_file_is_refused_with_the_right_one(say: Say) -> None:
    text = error_of(say("file", "TEST_PORT", "8080"))
    assert text == "unknown setting TEST_PORT (from acceptance.toml): did you mean test_port?"


# -- the file itself


@pytest.mark.parametrize(
    "content", [b"test_port = \n", b"= 1\n", b"a = 1\na = 2\n", b"\xff\xfe\x00", b"\xc3(", b"[[[\n"], ids=repr
)
def test_a_file_that_is_no_toml_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "acceptance.toml").write_bytes(content)
    text = error_of()
    assert text.startswith("settings file acceptance.toml: cannot be read (")
    assert "correct it or remove it" in text


def test_a_folder_where_the_file_should_be_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "acceptance.toml").mkdir()
    assert "settings file acceptance.toml: cannot be read" in error_of()


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_file_as_windows_writes_it_is_read(tmp_path: Path, encoding: str) -> None:
    mark = "\ufeff" if encoding.endswith(("le", "be")) else ""
    (tmp_path / "acceptance.toml").write_bytes(f"{mark}rust_log = 'grün'\r\n".encode(encoding))
    assert load_settings().settings.rust_log == "grün"


@pytest.mark.skipif(os.name == "nt", reason="there are no named pipes in folders")
def test_a_file_that_is_a_named_pipe_is_an_error_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "acceptance.toml")
    with pytest.raises(SettingsError, match=r"cannot be read .it is no regular file"):
        load_settings()


# -- types


@pytest.mark.parametrize(
    "name", ["test_port", "test_batch_size", "acceptance_jobs", "acceptance_time_factor"]
)
def test_true_is_no_number(tmp_path: Path, name: str) -> None:
    (tmp_path / "acceptance.toml").write_text(f"{name} = true\n")
    text = error_of()
    assert text.startswith(f"setting {name} = True (from acceptance.toml) is wrong: true and false are no")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("test_port", "8080.5"),
        ("test_port", "1979-05-27"),
        ("test_verbose", "2"),
        ("target_url", "8080"),
        ("rust_log", "true"),
        ("acceptance_cases", "1"),
        ("mistralrs_bin", "7"),
        ("test_model_file", "[]"),
        ("target_api_key", "12345678"),
    ],
)
def test_a_toml_value_of_another_type_is_refused(tmp_path: Path, name: str, value: str) -> None:
    (tmp_path / "acceptance.toml").write_text(f"{name} = {value}\n")
    assert f"setting {name} = " in error_of()


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(
    "name", ["mistralrs_bin", "ollama_bin", "acceptance_cache_dir", "acceptance_reports_dir"]
)
def test_a_path_below_the_home_folder_is_expanded(
    say: Say, source: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert getattr(load_settings(say(source, name, "~/there")).settings, name) == tmp_path / "there"


def test_a_model_below_the_home_folder_is_found(
    say: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "m.gguf").touch()
    say("file", "test_model_path", "~")
    say("file", "test_model_file", "~/m.gguf")
    assert load_settings().settings.user_model == (tmp_path, str(tmp_path / "m.gguf"))


def test_the_cache_of_the_environment_is_below_the_home_folder_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ACCEPTANCE_CACHE_DIR", "~/cache")
    assert default_cache() == tmp_path / "cache"


@pytest.mark.parametrize("source", ["define", "file"])
@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("acceptance_reports_dir", "", "it is empty"),
        ("acceptance_cache_dir", " ", "it is empty"),
        ("mistralrs_bin", "~no-such-user/bin", "there is no home folder of that user"),
        ("test_model_file", "~no-such-user/m.gguf", "there is no home folder of that user"),
        ("target_url", "http://ho st:1/", "not an http or https address"),
        ("acceptance_compare", "reference,http://", "not an http or https address"),
        ("acceptance_compare", "http://host:port", "its port is no number"),
    ],
)
def test_a_value_that_no_library_could_use_is_refused_here(
    say: Say, source: str, name: str, value: str, reason: str
) -> None:
    assert f"is wrong: {reason}" in error_of(say(source, name, value))


def test_another_mistralrs_is_a_name_a_program_or_a_url(tmp_path: Path) -> None:
    program = tmp_path / "mistralrs"
    program.touch()
    for named in ("reference", str(program), "http://127.0.0.1:1"):
        found = load_settings({"acceptance_compare": f"ollama, {named}"}).settings
        assert found.second_mistralrs == named
    assert load_settings({"acceptance_compare": "gateway,ollama"}).settings.second_mistralrs is None


@pytest.mark.parametrize("below", ["", "x", "x/y"])
def test_a_cache_folder_that_cannot_be_created_is_refused(tmp_path: Path, below: str) -> None:
    file = tmp_path / "file"
    file.touch()
    reason = f"is wrong: {file} is a file, not a folder; give a folder that can be written"
    assert reason in error_of({"acceptance_cache_dir": str(file / below)})


def test_a_path_in_a_message_is_as_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("README.md").touch()
    message = error_of({"acceptance_cache_dir": "README.md"})
    assert "is wrong: README.md is a file, not a folder" in message


@pytest.mark.parametrize("name", ["mistralrs_bin", "test_model_path", "target_url", "rust_log"])
def test_a_control_character_is_refused(name: str) -> None:
    assert "is wrong: it has a control character" in error_of({name: "http://a\x00b"})


def test_blanks_around_a_value_are_of_the_file_that_it_is_from(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TARGET_API_KEY", f"{SECRET}\n")
    monkeypatch.setenv("TARGET_URL", " http://host:1\r\n")
    settings = load_settings().settings
    assert (settings.api_key, settings.target_url) == (SECRET, "http://host:1")


# -- secrets


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("key", [f"Bearer {SECRET}", f"{SECRET}ä", f"a\t{SECRET}"])
def test_a_key_that_no_header_can_carry_is_refused_and_not_shown(say: Say, source: str, key: str) -> None:
    text = error_of(say(source, "target_api_key", key))
    assert text.startswith(
        f"setting target_api_key = {REDACTED} (from {origin_words(source, 'target_api_key')})"
    )
    assert SECRET not in text


@pytest.mark.parametrize(
    "text", ["https://u:{}@host:1", "u:{}@host:1", "real,ftp://u:{}@host", "http://u:{}@host:x"]
)
def test_no_password_of_a_compared_server_is_shown(text: str) -> None:
    address = text.format(SECRET)
    try:
        assert SECRET not in repr(load_settings({"acceptance_compare": address}).table())
        assert redact(SECRET) == REDACTED
    except SettingsError as error:
        assert SECRET not in str(error)


@pytest.mark.parametrize("name", ["a" * 5000, "~nobody-has-this-name/x"])
def test_a_path_that_no_file_can_have_is_no_server_to_compare_with(name: str) -> None:
    assert error_of({"acceptance_compare": name}).startswith("setting acceptance_compare = ")


def test_a_default_folder_that_cannot_be_made_is_shown_as_a_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.delenv("ACCEPTANCE_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert error_of().startswith(f"setting acceptance_cache_dir = '{tmp_path / 'file'}")


def test_a_program_to_compare_with_is_in_the_folder_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other").touch()
    monkeypatch.setenv("_MISTRALRS_ACCEPTANCE_USER_FOLDER", str(tmp_path))
    assert load_settings({"acceptance_compare": "other"}).settings.compared_servers == ("other",)
    assert compared_program("other") == tmp_path / "other"


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("target_api_key", SECRET),
        ("target_url", f"http://user:{SECRET}@host:1/"),
        ("target_url", f"http://{SECRET}@host"),
        ("ollama_url", f"http://user:{SECRET}@host:1/"),
        ("ollama_api", f"http://user:{SECRET}@host:1/"),
        ("target_url", f"http://host/?key={SECRET}"),
        ("target_url", f"http://host/#{SECRET}"),
    ],
)
def test_no_secret_is_in_the_table(say: Say, source: str, name: str, value: str) -> None:
    rows = {row[0]: row for row in load_settings(say(source, name, value)).table()}
    assert SECRET not in repr(rows)
    assert rows[name][2] == origin_words(source, name)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        (f"http://u:{SECRET}@host:1/v1?k={SECRET}", f"http://{REDACTED}@host:1/v1?{REDACTED}"),
        ("http://host:1/v1", "http://host:1/v1"),
        ("/models/@scope/what?", "/models/@scope/what?"),
    ],
)
def test_an_address_keeps_what_is_no_secret(address: str, shown: str) -> None:
    assert redact_url(address) == shown


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(
    "url",
    [
        f"ftp://user:{SECRET}@host/",
        f"http://user:{SECRET}@host:port/",
        f"http://user:{SECRET}@",
        f"user:{SECRET}@host:1234",
        f"ftp://host/?key={SECRET}",
        f"http://user:a/{SECRET}@host",
        f"http://user:{SECRET}@[::1",
    ],
)
def test_no_secret_of_a_wrong_address_is_in_the_error(say: Say, source: str, url: str) -> None:
    text = error_of(say(source, "target_url", url))
    assert SECRET not in text
    assert "setting target_url" in text


def test_no_secret_is_in_the_error_of_a_token_of_the_wrong_type(tmp_path: Path) -> None:
    (tmp_path / "acceptance.toml").write_text(f"target_api_key = ['{SECRET}']\n")
    text = error_of()
    assert SECRET not in text
    assert f"target_api_key = {REDACTED} (from acceptance.toml)" in text


@pytest.mark.parametrize("source", ["define", "file"])
def test_the_value_of_an_unknown_name_is_not_repeated(say: Say, source: str) -> None:
    assert SECRET not in error_of(say(source, "target_api_kye", SECRET))


def test_no_secret_is_in_an_error_about_another_setting(say: Say) -> None:
    say("environment", "target_api_key", SECRET)
    assert SECRET not in error_of({"test_port": "x"})


def test_a_variable_that_is_almost_named_as_a_setting_is_found() -> None:
    close = {
        "TARGET_ULR": "TARGET_URL",
        "MISTRALRS_BIM": "MISTRALRS_BIN",
        "TEST_PROT": "TEST_PORT",
        "target_api_keys": "TARGET_API_KEY",
        "OLLAMA_URI": "OLLAMA_URL",
    }
    others = ("TARGET_URL", "test_port", "TEST_PATH", "OLLAMA_HOST", "RUST_LOG", "RUST_LOG_STYLE", "PATH")
    assert misspelled_names([*close, *others]) == close
