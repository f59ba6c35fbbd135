"""Which program is judged, and what is said of a file that is none."""

from __future__ import annotations

import os
from pathlib import Path
from unittest.mock import Mock

import pytest

from support.errors import EXIT_USAGE, TargetError
from support.programs.process import ManagedProcess
from support.servers import discovery
from support.servers.command_line import CommandLine, LegacyCommandLine
from support.servers.discovery import CommandTarget, TargetChoice, discover
from support.waiting import wait_until
from tests.servers.stand_in_programs import Programs
from tests.timeouts import PATIENCE

CACHED = "cache/mistralrs/bin/mistralrs"
REFERENCE = "environment/mistralrs-reference"


@pytest.fixture(autouse=True)
def _reference(programs: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reference server is installed beside the interpreter."""
    programs.printing("mistralrs-reference 0.9.5", REFERENCE)
    python = str(programs.folder / "environment" / "python")
    monkeypatch.setattr("support.servers.discovery.sys.executable", python)


def found(programs: Programs, **chosen: object) -> CommandTarget:
    target = discover(programs.settings(**chosen))
    assert isinstance(target, CommandTarget)
    return target


def refusal(programs: Programs, path: Path) -> str:
    with pytest.raises(TargetError) as caught:
        discover(programs.settings(mistralrs_bin=path))
    assert caught.value.exit_code == EXIT_USAGE
    text = str(caught.value)
    assert len(text.splitlines()) == 1, f"more than one line: {text!r}"
    assert f"{path} (from MISTRALRS_BIN)" in text
    return text


# -- order


def test_the_order_is_setting_path_cache_reference(programs: Programs) -> None:
    given = programs.printing("mistralrs 0.8.1", "given")
    on_path = programs.printing("mistralrs 0.8.2", "path/mistralrs")
    legacy = programs.printing("mistralrs-server 0.6.0", "path/mistralrs-server")
    cached = programs.printing("mistralrs 0.8.3", CACHED)

    target = found(programs, mistralrs_bin=given)
    assert (target.label, target.why) == ("mistralrs 0.8.1", "MISTRALRS_BIN is set")
    target = found(programs)
    assert (target.label, target.why, target.path) == ("mistralrs 0.8.2", "found on the PATH", on_path)
    on_path.unlink()
    assert found(programs).label == "mistralrs-server 0.6.0"
    legacy.unlink()
    target = found(programs)
    assert (target.label, target.why) == ("mistralrs 0.8.3", "found in the project's cache")
    cached.unlink()
    target = found(programs)
    assert target.label == "mistralrs-reference 0.9.5"
    assert target.why.startswith("no TARGET_URL, no MISTRALRS_BIN, no mistralrs on the PATH")
    assert "`acceptance get mistralrs`" in target.why


def test_the_installed_package_requires_a_target(programs: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is used in pipelines: where a variable is missing, the reference server would be GO."""
    monkeypatch.setenv("_MISTRALRS_ACCEPTANCE_USER_FOLDER", str(programs.folder))
    with pytest.raises(TargetError, match=r"^no target: .*--target with a URL") as caught:
        found(programs)
    assert caught.value.exit_code == EXIT_USAGE
    assert found(programs, acceptance_target="reference").label == "mistralrs-reference 0.9.5"
    programs.printing("mistralrs 0.8.3", CACHED)
    assert found(programs).label == "mistralrs 0.8.3"


def test_the_reference_server_is_chosen_by_its_setting(programs: Programs) -> None:
    given = programs.printing("mistralrs 0.8.1", "given")
    target = found(
        programs, mistralrs_bin=given, acceptance_target="reference", target_url="http://127.0.0.1:1"
    )
    assert target.label == "mistralrs-reference 0.9.5"
    assert target.why == "acceptance_target is reference"


def test_a_real_target_is_never_replaced_by_the_reference_stack(programs: Programs) -> None:
    with pytest.raises(TargetError, match=r"no real mistral.rs: .*`acceptance get mistralrs`"):
        found(programs, acceptance_target="real")
    programs.printing("mistralrs 0.8.3", CACHED)
    assert found(programs, acceptance_target="real").label == "mistralrs 0.8.3"


def test_a_relative_path_is_found_from_the_working_folder(programs: Programs) -> None:
    path = programs.printing("mistralrs 0.8.1", "work/mine")
    assert found(programs, mistralrs_bin=Path("mine")).path == path


@pytest.mark.parametrize(
    ("line", "dialect"),
    [
        ("mistralrs 0.8.1", CommandLine),
        ("mistralrs 0.9.0-rc.1", CommandLine),
        ("mistralrs-server 0.8.4", LegacyCommandLine),
        ("mistralrs-reference 0.9.5", CommandLine),
    ],
)
def test_the_dialect_follows_from_what_the_program_says(programs: Programs, line: str, dialect: type) -> None:
    target = found(programs, mistralrs_bin=programs.printing(line))
    assert target.label == line
    assert type(target.command_line) is dialect


def test_the_program_is_asked_in_a_clean_environment(
    programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    path = programs.shell('[ -z "$HF_TOKEN" ] && [ "$HF_HUB_OFFLINE" = 1 ] && echo "mistralrs 0.8.1"')
    assert found(programs, mistralrs_bin=path).version == "0.8.1"


# -- what is no program


def test_a_missing_program_is_one_line(programs: Programs) -> None:
    assert refusal(programs, programs.folder / "none").startswith("no such program: ")


def test_a_program_in_a_folder_that_cannot_be_read_is_one_line(
    programs: Programs,
) -> None:
    closed = Mock(spec=Path, wraps=programs.folder / "mistralrs")
    closed.stat.side_effect = PermissionError(13, "Permission denied")
    with pytest.raises(TargetError) as refused:
        discovery._identify(closed, TargetChoice("MISTRALRS_BIN is set", "MISTRALRS_BIN"))  # noqa: SLF001 - permissions do not bind root
    text = str(refused.value)
    assert text.startswith("cannot be read: ")
    assert "permission denied" in text


def test_a_folder_is_one_line(programs: Programs) -> None:
    assert refusal(programs, programs.folder).startswith("not a program but a folder: ")


def test_a_file_that_may_not_be_executed_is_one_line(programs: Programs) -> None:
    path = programs.printing("mistralrs 0.8.1")
    path.chmod(0o644)
    text = refusal(programs, path)
    assert text.startswith("not executable: ")
    assert "`chmod +x`" in text


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("true", "printed nothing for --version (exit code 0)"),
        ("echo 'llama 1.2.3'", "printed 'llama 1.2.3' for --version (exit code 0)"),
        ("echo 'mistralrs'", "printed 'mistralrs' for --version (exit code 0)"),
        ("echo oops >&2; exit 3", "printed 'oops' for --version (exit code 3)"),
        ("echo 'mistralrs 0.8.1'; exit 1", "printed 'mistralrs 0.8.1' for --version (exit code 1)"),
        ("kill -9 $$", "printed nothing for --version (exit code -9)"),
    ],
)
def test_another_answer_than_a_version_is_one_line(programs: Programs, body: str, said: str) -> None:
    text = refusal(programs, programs.shell(body))
    assert text.startswith("not a mistral.rs program: ")
    assert said in text


@pytest.mark.parametrize(
    "content", [b"\x7fELF\x00garbage\xff\xfe", b"#!/nowhere/interpreter\n"], ids=["garbage", "no interpreter"]
)
def test_a_program_of_another_machine_is_one_line(programs: Programs, content: bytes) -> None:
    path = programs.folder / "alien"
    path.write_bytes(content)
    path.chmod(0o755)
    text = refusal(programs, path)
    assert text.startswith("cannot be started: ")
    assert text.endswith("was it built for this machine?")


HANGING = "/bin/sleep 60 & echo $! >>$PIDS; wait"


def test_a_program_that_hangs_is_one_line_and_its_tree_is_ended(
    programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    exited_within = ManagedProcess.exited_within

    def exited_when_both_are_there(process: ManagedProcess, seconds: float) -> bool:
        # A shell on a busy machine takes its time to start a program.
        wait_until("both processes", lambda: len(programs.pids) == 2, timeout=PATIENCE)
        return exited_within(process, seconds)

    monkeypatch.setattr(ManagedProcess, "exited_within", exited_when_both_are_there)
    monkeypatch.setattr(discovery, "VERSION_SECONDS", 0.2)
    assert refusal(programs, programs.shell(HANGING)).startswith("no answer to --version within ")
    assert len(programs.pids) == 2
    programs.check_nothing_left()


def test_what_a_program_leaves_in_the_background_is_ended(programs: Programs) -> None:
    body = "/bin/sleep 60 >/dev/null & echo $! >>$PIDS; echo 'mistralrs 0.8.1'"
    assert found(programs, mistralrs_bin=programs.shell(body)).version == "0.8.1"
    assert len(programs.pids) == 2
    programs.check_nothing_left()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (HANGING, "no answer to --version"),
        ("exit 1", "not a mistral.rs program"),
        (None, "cannot be started"),
    ],
    ids=["hangs", "fails", "garbage"],
)
def test_a_bad_program_in_the_cache_is_one_line(
    programs: Programs, monkeypatch: pytest.MonkeyPatch, body: str | None, said: str
) -> None:
    monkeypatch.setattr(discovery, "VERSION_SECONDS", 0.3 if body == HANGING else 10)
    path = programs.shell(body or "", CACHED)
    if body is None:
        path.write_bytes(b"\x7fELF garbage")
    with pytest.raises(TargetError, match=rf"{said}.*{path} \(from the project's cache\)") as caught:
        found(programs)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.skipif(os.name == "nt", reason="no execute permission there")
def test_a_file_on_the_path_that_may_not_be_executed_is_passed_over(programs: Programs) -> None:
    programs.printing("mistralrs 0.8.2", "path/mistralrs").chmod(0o644)
    assert found(programs).label == "mistralrs-reference 0.9.5"
