"""`repeat.sh`: repeats a failure, by its requests or, where these are not enough, by a run of the suite."""

from __future__ import annotations

import gzip
import os
import shlex
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from support.http.exchange import MAX_ARGUMENT, Exchange
from support.programs.starts import STARTS, ServerStart
from support.results.outcome import GZIP, Evidence
from support.results.redaction import REDACTED, redact_data
from support.results.rerun_command import rerun_command

SHOWN_EXCHANGES = 20
# A larger one would make every report large.
MAX_PACKED_BODY = 1_000_000
MAX_FILES_BYTES = 4_000_000
# Files of the scenario that a server was started with, such as a broken model.
FILES = "files"
SCRIPT = "repeat.sh"
_HEADER = """#!/bin/sh
# Sends the requests once more, in order, to servers that it starts and stops, or to the running one at a URL.
# Exit code: of the last request, 0 when it was answered; 1 when a server does not become ready.
# Whether the failure is back is seen in the answers: failure.txt has what was expected.
cd "$(dirname "$0")" || exit 1
"""
_SUITE_HEADER = """#!/bin/sh
# Runs this {what} with the suite, which starts and ends everything that it needs: its requests alone do not
# repeat it (users at the same time, a terminal, tool servers, other clients, or too much to be kept here).
# Exit code: 1 when it fails again, as a known issue too; 0 when it passes or is accepted; others: README.md.
# The reports of this run are in the folder `repeated` beside this file.
reports=$(cd "$(dirname "$0")" && pwd)/repeated || exit 1
"""
# Settings of a whole run, and those that `rerun_command` has as options.
_NOT_REPEATED = {
    *("acceptance_accepted", "acceptance_cases", "acceptance_compare", "acceptance_gate", "acceptance_html"),
    *("acceptance_jobs", "acceptance_reports", "acceptance_reports_dir", "acceptance_scope"),
    *("target_url", "mistralrs_bin", "ollama_api"),
}
_REQUIRE_TOKEN = ": \"${TOKEN:?value of the header, such as 'Bearer KEY', or 'none' without a key}\"\n"
_SERVERS = """
work=$(mktemp -d) || exit 1
pids=
stop() {
    for pid in $pids; do kill "$pid" 2>/dev/null; done
    wait
    rm -rf "$work"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# start URL COMMAND: starts a server and waits until it is ready, for 60 s at most.
start() {
    url=$1
    shift
    if curl -s -o "$work/answer" "$url"; then
        echo "$url is in use: end what listens there" >&2
        exit 1
    fi
    HOME=$work "$@" >>"$work/server.log" 2>&1 &
    pid=$!
    pids="$pid $pids"
    tries=0
    until curl -s -o "$work/answer" "$url"; do
        tries=$((tries + 1))
        if [ "$tries" -gt 600 ] || ! kill -0 "$pid" 2>/dev/null; then
            cat "$work/server.log" >&2
            echo "the server did not become ready" >&2
            exit 1
        fi
        sleep 0.1
    done
}

"""


def last_exchanges(exchanges: Sequence[Exchange]) -> list[tuple[int, Exchange]]:
    """The last requests, numbered from the first one of the scenario."""
    return list(enumerate(exchanges, 1))[-SHOWN_EXCHANGES:]


def replay_evidence(
    exchanges: Sequence[Exchange], starts: Iterable[ServerStart] = (), folder: Path | None = None
) -> list[Evidence]:
    """`repeat.sh`, a shell script of `curl` commands, and a gzipped file for each body that fits in none.

    Nothing if a request or a file would be missing: too many, or too large to be kept.
    The servers that the suite has started are started before, those of `starts` as well: theirs may be a
    start that fails. What they have been given of `folder`, that of the scenario, is kept in `files/`.
    Keys are taken from the variable TOKEN.
    """
    if len(exchanges) > SHOWN_EXCHANGES:
        return []
    requests, bodies = "", []
    for number, exchange in last_exchanges(exchanges):
        if exchange.body_fits_on_a_line:
            requests += f"{exchange.curl(max_body=MAX_ARGUMENT)}\n"
            continue
        # A secret cannot be found in compressed text: it is removed before.
        packed = gzip.compress(redact_data(exchange.request_body), mtime=0)
        if len(packed) > MAX_PACKED_BODY:
            return []
        bodies.append(Evidence(f"body of request {number}", GZIP, packed, f"body-{number}.gz"))
        requests += f"{exchange.curl(body_file=bodies[-1].file)}\n"
    servers = _in_order([*filter(None, (STARTS.find(sent.url) for sent in exchanges)), *starts])
    files = _files_of(servers, folder) if folder is not None else {}
    if sum(file.stat().st_size for file in files.values()) > MAX_FILES_BYTES:
        return []
    # The suite's own servers take any key.
    token = "TOKEN=${TOKEN:-none}\n" if servers else _REQUIRE_TOKEN
    script = _HEADER + (token if "$TOKEN" in requests else "")
    if servers:
        script += _SERVERS + "".join(_start_line(server, folder) for server in servers)
        requests = requests or 'cat "$work/server.log"\n'
    kept = [
        Evidence(
            f"file {file.name}",
            "application/octet-stream",
            file.read_bytes(),
            f"{FILES}/{name}",
            folder_only=True,
        )
        for name, file in files.items()
    ]
    return [Evidence.text("how to repeat it", script + requests, SCRIPT), *bodies, *kept]


def suite_evidence(what: str, selection: Sequence[str], settings: Iterable[tuple[str, str, str]]) -> Evidence:
    """`repeat.sh` that runs the selected scenario or check with the suite, target and settings of this run.

    A secret of the settings is taken from its variable.
    """
    required, options = "", ["--tags", "slow or not slow", "-D", "acceptance_html=false"]
    for name, value, origin in settings:
        if REDACTED in value:
            required += f': "${{{name.upper()}:?set it as in the run that failed}}"\n'
        elif origin != "default" and name not in _NOT_REPEATED:
            options += ["-D", f"{name}={value}"]
    program = Path(sys.executable).with_name("acceptance")
    command = rerun_command(*selection, *options, gate="strict").removeprefix("acceptance ")
    run = f'exec {shlex.quote(str(program))} {command} -D acceptance_reports_dir="$reports"\n'
    script = (
        _SUITE_HEADER.format(what=what) + required + f"cd {shlex.quote(str(Path.cwd()))} || exit 1\n{run}"
    )
    return Evidence.text("how to repeat it", script, SCRIPT)


def _in_order(starts: Iterable[ServerStart]) -> list[ServerStart]:
    """Each once; a server that another one is started with (the target of a gateway) comes before it."""
    found: dict[tuple[str, ...], ServerStart] = {}
    for start in starts:
        behind = [STARTS.find(word) for word in start.command if word.startswith("http://")]
        for server in (*behind, start):
            if server is not None:
                found.setdefault(server.command, server)
    return list(found.values())


def _start_line(start: ServerStart, folder: Path | None) -> str:
    words = [*(f"{name}={value}" for name, value in start.environment.items()), *start.command]
    if folder is not None:
        words = [_kept_word(word, folder) for word in words]
    setup = "".join(f"{command} || exit 1\n" for command in start.setup)
    return f"start {shlex.join([start.url, 'env', *words])}\n{setup}"


def _kept_word(word: str, folder: Path) -> str:
    """With the path that its file or folder has below `repeat.sh`."""
    if word == str(folder):
        return FILES
    if _is_of_the_run(word, folder):
        return f"{FILES}/{Path(word).name}"
    return word.replace(f"{folder}{os.sep}", f"{FILES}/")


def _is_of_the_run(word: str, folder: Path) -> bool:
    """A file that scenarios share, such as a configuration of tool servers: it lies beside their folders."""
    path = Path(word)
    return folder.parent in path.parents and folder not in path.parents and path.is_file()


def _files_of(starts: Iterable[ServerStart], folder: Path) -> dict[str, Path]:
    """The files in the folder on the command lines, or below a folder that is; also shared ones."""
    words = {word for start in starts for word in start.command}
    shared = {Path(word) for word in words if _is_of_the_run(word, folder)}
    named = [Path(word) for word in words if f"{word}{os.sep}".startswith(f"{folder}{os.sep}")]
    files = [
        file for path in named for file in (path.rglob("*") if path.is_dir() else (path,)) if file.is_file()
    ]
    return {file.relative_to(folder).as_posix(): file for file in files} | {
        file.name: file for file in shared
    }
