"""The `repeat.sh` of a failure shows it again, and leaves no process behind."""

from __future__ import annotations

import subprocess
from pathlib import Path

from support.settings import default_cache
from tests.runs.launching import ACCEPTANCE, ROOT, Launched, processes_of
from tests.timeouts import PATIENCE

CHECK = "ollama.v1_chat.stream.usage"
# Models are made and verified once, not in the home of each run.
CACHE = {"ACCEPTANCE_CACHE_DIR": str(default_cache())}
TITLES = ("A message longer than the context keeps the chat open", "After tools/call without messages")


def test_a_terminal_and_an_agent_are_repeated_by_the_suite(tmp_path: Path) -> None:
    settings = ("-D", f"acceptance_reports_dir={tmp_path / 'reports'}", "-D", "acceptance_html=false")
    names = [word for title in TITLES for word in ("--name", title)]
    run = Launched(tmp_path, (*ACCEPTANCE, *names, "--target", "reference", *settings), CACHE, ROOT).end()
    folders = sorted((run.reports / "evidence").iterdir())
    assert len(folders) == len(TITLES), run.output
    for folder in folders:
        script = ["sh", str(folder / "repeat.sh")]
        done = subprocess.run(script, capture_output=True, text=True, timeout=4 * PATIENCE, check=False)
        assert done.returncode == 1, done.stdout + done.stderr
        (again,) = (folder / "repeated" / "evidence").iterdir()
        assert again.name == folder.name
    assert not list(processes_of(tmp_path))


def test_a_failed_check_is_repeated(tmp_path: Path) -> None:
    settings = ("-D", f"acceptance_reports_dir={tmp_path / 'reports'}", "-D", "acceptance_html=false")
    where = ("features/ollama_api/openai_endpoints.feature", "--case", CHECK, "--target", "reference")
    run = Launched(tmp_path, (*ACCEPTANCE, *where, "--gate", "strict", *settings), CACHE, ROOT).end()
    assert run.exit_code == 1, run.output
    folder = run.reports / "evidence" / CHECK
    assert CHECK in (folder / "failure.txt").read_text()
    done = subprocess.run(
        ["sh", folder / "repeat.sh"], capture_output=True, text=True, timeout=4 * PATIENCE, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("HTTP/1.1 200 OK") and "data: [DONE]" in done.stdout
    assert not list(processes_of(tmp_path))
