"""A program that panics with one of the models: one cause, with all that depends on it, in every report."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from xml.etree import ElementTree

from tests.runs.launching import ACCEPTANCE, ROOT, Launched

PROGRAM = """\
#!/bin/sh
case " $* " in *" embedding "*)
    echo "thread 'main' ($$) panicked at src/embedding.rs:100:17:" >&2
    echo "no such layer" >&2
    exit 101
esac
exec {} "$@"
"""
CAUSE = "does not start: panicked at src/embedding.rs"


def test_a_panic_at_the_start_is_one_cause(tmp_path: Path) -> None:
    program = tmp_path / "mistralrs"
    reference = Path(sys.executable).with_name("mistralrs-reference")
    program.write_text(PROGRAM.format(shlex.quote(str(reference))))
    program.chmod(0o755)
    settings = ("-D", f"acceptance_reports_dir={tmp_path / 'reports'}", "-D", "acceptance_html=false")
    command = (*ACCEPTANCE, "features/openai_api/embeddings.feature", "--target", str(program), *settings)
    run = Launched(tmp_path, command, {}, ROOT).end()
    assert run.exit_code == 1, run.output
    (cause,) = run.report["causes"]
    assert CAUSE in cause["cause"] and "no such layer" in cause["cause"]
    number = len(cause["dependants"])
    assert number == len(run.report["blockers"]) > 1
    assert f"{number} unlisted failures (1 cause)." in run.stdout
    assert run.stdout.count(f"as before: mistralrs-reference 0.9.5 {CAUSE}") == number - 1
    for text in (run.stdout, (run.reports / "summary.md").read_text()):
        assert f"{number} failures, {len(cause['not_run'])} not run of one cause: " in text
        assert all(one["id"] in text for one in cause["dependants"])
    failed = [
        child.attrib["message"]
        for file in (run.reports / "junit").glob("*embeddings.xml")
        for child in ElementTree.parse(file).iter("failure")
    ]
    assert len(failed) == number and all(CAUSE in message for message in failed)
    details = [run.results[one["id"]]["statusDetails"]["message"] for one in cause["dependants"]]
    assert all(message.startswith("cause: ") and CAUSE in message for message in details)
    assert {test["reason"] for test in run.report["tests"] if test["verdict"] == "not_run"} == {
        cause["cause"]
    }
