"""A certificate is verified as it was made, and not after any change."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from support.certificate import certify as certify_module
from support.certificate.certify import certify
from support.certificate.manifest import NAME, write_manifest
from support.certificate.provenance import suite_digest
from support.certificate.verify import verify
from support.cli import main
from support.errors import AcceptanceError, SettingsError
from support.results.redaction import Redactor, set_redactor
from support.settings import ResolvedSettings, Settings
from tests.certificate.finished_reports import KNOWN, PASSED, STARTED, record, write_reports

DEEP = "[" * 100_000
GOOD = [record("One works", "passed", PASSED), record("Two is known", "known_issue", KNOWN)]


@pytest.fixture(autouse=True)
def _no_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """They take seconds to be compiled."""
    monkeypatch.setattr(certify_module, "models_of", lambda *_: [])


@pytest.fixture
def resolved(tmp_path: Path) -> ResolvedSettings:
    return ResolvedSettings(Settings(acceptance_accepted=tmp_path / "accepted.toml"), {})


@pytest.fixture
def certificate(tmp_path: Path, resolved: ResolvedSettings) -> Path:
    reports = write_reports(tmp_path / "reports", GOOD, tmp_path / "mistralrs")
    certify(resolved, [reports], tmp_path / "certificate")
    return tmp_path / "certificate"


def test_a_certificate_has_the_run_and_what_it_was_made_with(certificate: Path) -> None:
    files = {path.relative_to(certificate).as_posix() for path in certificate.rglob("*") if path.is_file()}
    assert {
        "certificate.json",
        NAME,
        "runs/1/report.json",
        "runs/1/records.jsonl",
        "runs/1/junit/api.xml",
        "runs/1/known_issues.toml",
    } == files
    found = json.loads((certificate / "certificate.json").read_text())
    assert (found["decision"], found["subject"]) == ("GO", "mistralrs 0.9.2")
    assert found["program"]["sha256"] == "d69ea8cda2433733c1ce02de65da8f48e6a3dbba6bb18876a2062908e54ef7cb"
    assert found["suite"]["sha256"] == suite_digest()
    (run,) = found["runs"]
    assert (run["command"], run["settings"]) == (
        "acceptance run api",
        {"acceptance_gate": "release (--gate)"},
    )


def test_an_unchanged_certificate_is_valid(certificate: Path) -> None:
    found = verify(certificate)
    assert found.exit_code == 0
    assert str(found).startswith(f"{certificate}: unchanged: GO: mistralrs 0.9.2 (gate: release); made ")
    assert "\n" not in str(found)
    assert verify(certificate, expected=found.digest.upper()).exit_code == 0


def test_each_changed_byte_is_found(certificate: Path) -> None:
    for file in sorted(path for path in certificate.rglob("*") if path.is_file()):
        data = file.read_bytes()
        file.write_bytes(bytes([data[0] ^ 1]) + data[1:])
        assert _problem(certificate), file
        file.write_bytes(data)
    assert verify(certificate).exit_code == 0


def _problem(folder: Path) -> str:
    try:
        return verify(folder).problem
    except SettingsError as error:
        return str(error)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda folder: (folder / "runs/1/junit/api.xml").unlink(), "missing runs/1/junit/api.xml"),
        (lambda folder: (folder / "more.txt").write_text(""), "added more.txt"),
        (lambda folder: (folder / "runs/1/more").symlink_to("/etc/hostname"), "added runs/1/more"),
        (lambda folder: (folder / "certificate.json").write_text("{}"), "changed certificate.json"),
        (
            lambda folder: [(folder / name).write_text("") for name in "abcd"],
            "added 4 files (a, b, c, ...)",
        ),
    ],
)
def test_each_changed_file_is_named(
    certificate: Path, change: Callable[[Path], object], expected: str
) -> None:
    change(certificate)
    found = verify(certificate)
    assert (found.exit_code, found.problem) == (1, expected)
    assert str(found) == f"{certificate}: NOT VALID: {expected}"


def test_a_failure_removed_from_the_report_is_found(tmp_path: Path, resolved: ResolvedSettings) -> None:
    failed = [*GOOD, record("Three fails", "failed")]
    reports = write_reports(tmp_path / "reports", failed)
    certify(resolved, [reports], tmp_path / "made")
    assert "NO-GO" in str(verify(tmp_path / "made"))
    better = write_reports(tmp_path / "better", GOOD)
    file = tmp_path / "made" / "runs" / "1" / "report.json"
    file.write_bytes((better / "report.json").read_bytes())
    digest = write_manifest(tmp_path / "made")
    found = verify(tmp_path / "made", expected=digest)
    assert found.exit_code == 1
    assert found.problem == "run 1: decision is 'GO', by the raw results 'NO-GO'"


def test_a_changed_verdict_is_named_with_its_place(tmp_path: Path, resolved: ResolvedSettings) -> None:
    reports = write_reports(tmp_path / "reports", GOOD)
    certify(resolved, [reports], tmp_path / "made")
    file = tmp_path / "made" / "runs" / "1" / "report.json"
    report = json.loads(file.read_bytes())
    report["tests"][1]["verdict"] = "failed"
    file.write_text(json.dumps(report))
    found = verify(tmp_path / "made", expected=write_manifest(tmp_path / "made"))
    assert found.problem == "run 1: tests[1].verdict is 'failed', by the raw results 'known_issue'"


def test_a_new_decision_in_the_certificate_is_found(tmp_path: Path, resolved: ResolvedSettings) -> None:
    reports = write_reports(tmp_path / "reports", [record("Three fails", "failed")])
    certify(resolved, [reports], tmp_path / "made")
    file = tmp_path / "made" / "certificate.json"
    file.write_text(file.read_text().replace('"NO-GO"', '"GO"', 1))
    write_manifest(tmp_path / "made")
    assert verify(tmp_path / "made").problem == "the decision is GO, by the runs NO-GO"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"subject": "mistralrs 9.9.9"}, "the subject is mistralrs 9.9.9, by run 1 mistralrs 0.9.2"),
        ({"runs": [{}, {}]}, "run 1 has no decision in certificate.json"),
        ({"runs": [{}]}, "runs has 2, which certificate.json does not name"),
        ({"runs": [], "decision": "NO-GO"}, "certificate.json is no certificate of this suite"),
    ],
)
def test_a_certificate_that_does_not_describe_its_runs_is_found(
    tmp_path: Path, resolved: ResolvedSettings, change: dict[str, object], problem: str
) -> None:
    good = write_reports(tmp_path / "1", GOOD)
    bad = write_reports(tmp_path / "2", [record("Three fails", "failed")])
    certify(resolved, [good, bad], tmp_path / "made")
    file = tmp_path / "made" / "certificate.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    write_manifest(tmp_path / "made")
    assert _problem(tmp_path / "made").endswith(problem)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            {"command": "acceptance run"},
            "run 1: command is 'acceptance run', in its report 'acceptance run api'",
        ),
        ({"settings": {}}, "run 1: settings is {}, in its report {'acceptance_gate': 'release (--gate)'}"),
    ],
)
def test_a_command_or_setting_that_the_run_did_not_have_is_found(
    certificate: Path, change: dict[str, object], problem: str
) -> None:
    file = certificate / "certificate.json"
    document = json.loads(file.read_text())
    document["runs"][0] |= change
    file.write_text(json.dumps(document))
    write_manifest(certificate)
    assert verify(certificate).problem == problem


def test_a_report_without_an_environment_is_found(certificate: Path) -> None:
    file = certificate / "runs" / "1" / "report.json"
    report = json.loads(file.read_text())
    del report["environment"]
    file.write_text(json.dumps(report))
    write_manifest(certificate)
    assert verify(certificate).problem == "run 1 has no environment in its report"


def test_what_a_link_leads_to_is_not_certified(tmp_path: Path, resolved: ResolvedSettings) -> None:
    reports = write_reports(tmp_path / "reports", GOOD)
    (tmp_path / "private").write_text("private")
    (reports / "junit" / "link").symlink_to(tmp_path / "private")
    certify(resolved, [reports], tmp_path / "made")
    assert [path.name for path in (tmp_path / "made" / "runs" / "1" / "junit").iterdir()] == ["api.xml"]


def test_a_manifest_made_again_is_found_by_the_kept_digest(certificate: Path) -> None:
    kept = verify(certificate).digest
    (certificate / "runs/1/junit/api.xml").write_text("<testsuites> </testsuites>")
    write_manifest(certificate)
    assert verify(certificate).exit_code == 0
    assert verify(certificate, expected=kept).problem.startswith("its manifest has the SHA-256 ")


def test_several_runs_have_one_decision(tmp_path: Path, resolved: ResolvedSettings) -> None:
    good = write_reports(tmp_path / "1", GOOD)
    bad = write_reports(tmp_path / "2", [record("Three fails", "failed")])
    certify(resolved, [good, bad], tmp_path / "made")
    assert "GO: mistralrs 0.9.2 (gate: release); NO-GO: mistralrs 0.9.2 (gate: release); " in str(
        verify(tmp_path / "made")
    )


def test_no_secret_is_inside(tmp_path: Path, resolved: ResolvedSettings) -> None:
    set_redactor(Redactor(["key-of-a-user"], "key-of-a-user"))
    try:
        secret = replace(GOOD[0], output="sent key-of-a-user")
        reports = write_reports(tmp_path / "reports", [secret])
        evidence = reports / "evidence" / "a"
        evidence.mkdir(parents=True)
        (evidence / "log.txt").write_text("Bearer key-of-a-user")
        (evidence / "body.json.gz").write_bytes(gzip.compress(b'{"key": "key-of-a-user"}'))
        certify(resolved, [reports], tmp_path / "made")
        assert verify(tmp_path / "made").exit_code == 0
        contents = [file.read_bytes() for file in (tmp_path / "made").rglob("*") if file.is_file()]
        contents += [gzip.decompress(data) for data in contents if data[:2] == b"\x1f\x8b"]
        assert not [data for data in contents if b"key-of-a-user" in data]
    finally:
        set_redactor(Redactor())


def test_a_part_of_the_suite_is_named_as_such(tmp_path: Path, resolved: ResolvedSettings) -> None:
    reports = write_reports(tmp_path / "reports", GOOD)
    file = reports / "report.json"
    file.write_text(file.read_text().replace('"unselected": 0', '"unselected": 7'))
    certify(resolved, [reports], tmp_path / "made")
    assert "GO for the selected part only, without 7 scenarios" in str(verify(tmp_path / "made"))


def test_the_commands_end_with_the_documented_codes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reports, made = write_reports(tmp_path / "reports", GOOD), tmp_path / "made"
    for name in ("TARGET_URL", "TARGET_API_KEY"):
        monkeypatch.delenv(name, raising=False)

    def ended(*words: object) -> tuple[int, str]:
        result = CliRunner().invoke(main, [str(word) for word in words])
        return result.exit_code, result.output

    code, text = ended("certify", reports, "--output", made)
    digest = text.split()[-1]
    assert (code, ended("verify", made)[0], ended("verify", made, "--manifest", digest)[0]) == (0, 0, 0)
    assert ended("certify", reports, "-o", made)[0] == 2
    assert ended("verify", reports)[0] == 2
    # An empty one is an unset variable of a pipeline.
    for wrong in ("", digest[:-1], "A" * 64):
        code, text = ended("verify", made, "--manifest", wrong)
        assert (code, text.count("\n")) == (2, 1)
        assert text.startswith(f"acceptance: verify: --manifest {wrong!r}: give the 64 hexadecimal digits")
    (made / "runs" / "1" / "report.json").write_text("{}")
    assert ended("verify", made) == (1, f"{made}: NOT VALID: changed runs/1/report.json\n")


# -- invalid input


@pytest.mark.parametrize("make", [Path.exists, Path.mkdir])
def test_a_folder_without_a_report_is_not_certified(
    tmp_path: Path, resolved: ResolvedSettings, make: Callable[[Path], object]
) -> None:
    make(tmp_path / "reports")
    with pytest.raises(SettingsError, match="it is no folder of reports; run the suite first"):
        certify(resolved, [tmp_path / "reports"], tmp_path / "made")
    assert not [path for path in tmp_path.iterdir() if path.name != "reports"]


def test_a_run_that_was_interrupted_is_not_certified(tmp_path: Path, resolved: ResolvedSettings) -> None:
    reports = write_reports(tmp_path / "reports", GOOD)
    file = reports / "report.json"
    file.write_text(file.read_text().replace('"exit_code": 0', '"exit_code": 130'))
    with pytest.raises(SettingsError, match="ended with exit code 130 before all was checked"):
        certify(resolved, [reports], tmp_path / "made")


def test_a_report_without_raw_results_is_not_certified(tmp_path: Path, resolved: ResolvedSettings) -> None:
    reports = write_reports(tmp_path / "reports", GOOD)
    (reports / "records.jsonl").unlink()
    with pytest.raises(SettingsError, match=r"has no records\.jsonl"):
        certify(resolved, [reports], tmp_path / "made")


def test_a_program_that_has_changed_is_not_certified(tmp_path: Path, resolved: ResolvedSettings) -> None:
    program = tmp_path / "mistralrs"
    reports = write_reports(tmp_path / "reports", GOOD, program)
    os.utime(program, (STARTED + 60, STARTED + 60))
    with pytest.raises(SettingsError, match="has changed since the run"):
        certify(resolved, [reports], tmp_path / "made")
    program.unlink()
    with pytest.raises(SettingsError, match="is not there any more"):
        certify(resolved, [reports], tmp_path / "made")


def test_a_failure_accepted_after_the_run_is_not_certified(
    tmp_path: Path, resolved: ResolvedSettings
) -> None:
    reports = write_reports(tmp_path / "reports", [record("Three fails", "failed")])
    resolved.settings.acceptance_accepted.write_text(
        '[[accepted]]\nid = "Three fails"\nreason = "later"\nowner = "ops"\nuntil = 2099-01-01\n'
    )
    with pytest.raises(SettingsError, match="the decision is not that of the raw results"):
        certify(resolved, [reports], tmp_path / "made")


def test_runs_of_two_programs_have_no_certificate(tmp_path: Path, resolved: ResolvedSettings) -> None:
    one, other = (write_reports(tmp_path / name, GOOD) for name in ("1", "2"))
    file = other / "report.json"
    file.write_text(file.read_text().replace('"subject": "mistralrs 0.9.2"', '"subject": "mistralrs 0.8.1"'))
    with pytest.raises(SettingsError, match=r"for one program, not mistralrs 0\.8\.1, mistralrs 0\.9\.2"):
        certify(resolved, [one, other], tmp_path / "made")


def test_a_folder_that_cannot_be_written_is_named_with_the_remedy(
    tmp_path: Path, resolved: ResolvedSettings
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(
        SettingsError, match=r"made cannot be made \(.+\); give another folder with --output$"
    ):
        certify(resolved, [], tmp_path / "file" / "made")


def test_a_certificate_is_not_overwritten(tmp_path: Path, resolved: ResolvedSettings) -> None:
    with pytest.raises(SettingsError, match="exists already"):
        certify(resolved, [tmp_path], tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / NAME).unlink(), "is no certificate: it has no manifest.sha256"),
        (lambda folder: (folder / NAME).write_text("what?\n"), "is no manifest of a certificate"),
        (lambda folder: (folder / NAME).write_text(""), "is no manifest of a certificate"),
        (lambda folder: _replaced(folder, "certificate.json", "[]"), "is no certificate of this suite"),
        (
            lambda folder: _replaced(
                folder,
                "certificate.json",
                json.dumps(dict.fromkeys(("format", "decision", "subject", "made", "runs"), 2)),
            ),
            "has the format 2, this suite reads format 1",
        ),
        (lambda folder: _replaced(folder, "runs/1/report.json", "{"), "has no run that can be read"),
        (lambda folder: _replaced(folder, "runs/1/records.jsonl", ""), "has no run that can be read"),
        (lambda folder: _replaced(folder, "runs/1/report.json", DEEP), "has no run that can be read"),
        (lambda folder: _replaced(folder, "certificate.json", DEEP), "is no certificate of this suite"),
        (lambda folder: _piped(folder, "runs/1/report.json"), r"report\.json is no regular file"),
    ],
)
def test_what_is_no_certificate_is_one_line(
    certificate: Path, change: Callable[[Path], object], message: str
) -> None:
    change(certificate)
    with pytest.raises(SettingsError, match=message) as caught:
        verify(certificate)
    assert "\n" not in str(caught.value)


def _replaced(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)
    write_manifest(folder)


def _piped(folder: Path, name: str) -> None:
    (folder / name).unlink()
    os.mkfifo(folder / name)


def test_a_link_to_a_name_that_is_no_text_is_a_difference(certificate: Path) -> None:
    file = certificate / "runs/1/report.json"
    file.unlink()
    file.symlink_to(os.fsdecode(b"a\xff"))
    assert verify(certificate).problem == "changed runs/1/report.json"


def test_a_folder_that_is_not_there_is_no_certificate(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="is no certificate"):
        verify(tmp_path / "nothing")


@pytest.mark.parametrize("name", [b"a\nb", b"a\xff", b" a"])
def test_a_name_that_no_manifest_can_have_is_one_line(certificate: Path, name: bytes) -> None:
    Path(os.fsdecode(os.fsencode(certificate) + b"/" + name)).touch()
    with pytest.raises(SettingsError, match="a name that no manifest can have: '") as caught:
        verify(certificate)
    assert str(caught.value).isascii()
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Path.open

    def refuse(self: Path, *args: object, **options: object) -> object:
        if self.name == "report.json":
            raise PermissionError(13, "Permission denied")
        return opened(self, *args, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(AcceptanceError, match=r"report\.json cannot be read \(permission denied\)"):
        verify(certificate)
