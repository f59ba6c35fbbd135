"""The command `acceptance prove --blind`: its report, its exit code, wrong usage."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from support.cli import main
from support.errors import NothingSelected
from support.fault_injection import blind_command
from support.fault_injection.blind_command import prove_blind
from support.fault_injection.blind_recordings import LeftOut, Recording
from support.settings import ResolvedSettings, Settings
from tests.conformance.samples import chat, reply
from tests.fault_injection.blind_samples import WHOLE, recording

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """With these recordings in place of those of a server."""

    def prove(*found: Recording | LeftOut) -> tuple[int, str]:
        target = SimpleNamespace(label="toy 1.0", why="a test")
        lines: list[str] = []
        monkeypatch.setattr(blind_command, "discover", lambda *_: target)
        monkeypatch.setattr(blind_command, "RunContext", lambda *_: SimpleNamespace(close=list))
        monkeypatch.setattr(blind_command, "record_checks", lambda *_: iter(found))
        resolved = ResolvedSettings(Settings(), {})
        code = prove_blind(resolved, tmp_path, checks=(), each=1, jobs=1, show=lines.append)
        return code, "\n".join(lines)

    return prove


def test_a_report_is_left(run: Run, tmp_path: Path) -> None:
    # Recorded long before: the judging process has the present time.
    code, text = run(recording(WHOLE, reply(chat())), LeftOut("openai.a.b", "it does not pass"))
    report = json.loads((tmp_path / "blind-faults.json").read_text())
    assert code == (0 if report["score"]["score"] >= 0.95 else 1)
    assert report["checks"][WHOLE]["possible"] == report["possible"] > 50
    assert report["left_out"] == {"openai.a.b": "it does not pass"}
    assert "1 check left out" in text


def test_nothing_to_judge_is_no_success(run: Run) -> None:
    with pytest.raises(NothingSelected, match=r"openai\.a\.b: it does not pass"):
        run(LeftOut("openai.a.b", "it does not pass"))


def test_a_check_that_does_not_pass_on_its_recording_is_no_success(run: Run) -> None:
    with pytest.raises(NothingSelected, match=rf"nothing was judged on toy 1\.0: {WHOLE}: detected: "):
        run(recording(WHOLE, reply(chat(""))))


def test_a_recording_can_be_sent_to_another_process() -> None:
    import pickle

    kept = recording(WHOLE, reply(chat()))
    assert pickle.loads(pickle.dumps(kept)) == replace(kept)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            "prove --blind --fault x",
            "--blind has no --fault, --capability, --every, --repeat, --narrow or --list; ",
        ),
        ("prove --blind --list", "--narrow or --list; choose with --check"),
        ("prove --check openai.*", "--check is for --blind"),
        ("prove --each 2 --list", "--each is for --blind"),
        ("prove --blind --check openai.nothing.*", "--check openai.nothing.* fits no check whose responses "),
        ("prove --blind --check performance.*", "--check performance.* fits no check whose responses "),
        ("prove --blind --each -1", "'--each': -1 is not in the range"),
    ],
)
def test_wrong_usage_is_one_line(words: str, expected: str) -> None:
    result = CliRunner().invoke(main, words.split())
    assert result.exit_code == 2
    assert expected in result.output
    assert result.output.count("\n") == 1
