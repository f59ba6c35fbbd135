"""Shared servers: one per model, replaced when hurt, gone at the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from support.programs.launcher import free_port
from support.servers.mistralrs import StartFailure
from support.servers.pool import ServerPool
from support.waiting import wait_until
from support.world import World
from tests.programs.vanishing import is_gone
from tests.servers.stand_in_programs import MODEL, Programs
from tests.timeouts import PATIENCE

OTHER = replace(MODEL, file="other.gguf")


@pytest.fixture
def pool(programs: Programs) -> Iterator[ServerPool]:
    shared = ServerPool(programs.server(), programs.settings())
    yield shared
    shared.close()


def test_one_model_is_served_once(pool: ServerPool, programs: Programs) -> None:
    assert pool.get(MODEL) is pool.get(MODEL)
    assert len(programs.pids) == 1


def test_each_model_has_a_server_of_its_own(pool: ServerPool) -> None:
    first, second = pool.get(MODEL), pool.get(OTHER)
    assert first.url != second.url
    assert first.alive
    assert "toy.gguf" in first.process.command and "other.gguf" in second.process.command


def test_each_choice_of_options_has_a_server_of_its_own(programs: Programs) -> None:
    options = ("--mcp-port", str(free_port()))
    pool = ServerPool(programs.server(), programs.settings())
    try:
        plain, more = pool.get(MODEL), pool.get(MODEL, options)
        assert plain is not more
        assert pool.get(MODEL, list(options)) is more
        assert "--mcp-port" in more.process.command
        assert "--mcp-port" not in plain.process.command
    finally:
        pool.close()


def test_who_hurts_a_server_has_one_of_its_own(pool: ServerPool) -> None:
    plain, hurt = pool.get(MODEL), pool.get(MODEL, isolation="leaving")
    assert plain is not hurt
    assert pool.get(MODEL, isolation="leaving") is hurt
    assert pool.get(MODEL) is plain
    pool.discard(MODEL, isolation="leaving")
    assert plain.alive and not hurt.alive


def test_a_dead_server_is_replaced(pool: ServerPool) -> None:
    first = pool.get(MODEL)
    first.process.send(9)
    wait_until("the server is dead", lambda: not first.alive, timeout=PATIENCE)
    second = pool.get(MODEL)
    assert second is not first
    assert second.alive
    assert not first.folder.exists()


def test_a_server_that_ended_by_itself_is_found_once(pool: ServerPool) -> None:
    server, stopped = pool.get(MODEL), pool.get(OTHER)
    assert server.take_unknown_end() == ""
    server.process.send(9)
    stopped.stop()
    wait_until("the server is dead", lambda: not server.alive, timeout=PATIENCE)
    ends = [program.take_unknown_end() for program in pool.programs]
    assert [end.partition(";")[0] for end in ends] == ["exit code -9", ""]
    assert ends[0].endswith("listening")
    assert server.take_unknown_end() == ""


def test_a_server_that_died_without_its_log_is_found_unless_the_suite_ended_it(pool: ServerPool) -> None:
    server = pool.get(MODEL)
    world: Any = SimpleNamespace(server=server, _log_position=server.log_position)
    server.log_file.unlink()
    server.process.stop()
    (crash,), _ = World.crashes_of_server(world)
    assert crash == "the server died during the scenario; the end of its log:\n(it was removed)"
    pool.discard(MODEL)
    assert World.crashes_of_server(world) == ([], "")


def test_a_panic_in_the_log_of_a_server_is_found_once(pool: ServerPool) -> None:
    server = pool.get(MODEL)
    assert server.take_panics() == []
    with server.log_file.open("ab") as log:
        log.write(b"ready\nthread 'engine' panicked at src/toys.rs:3\nthread 'x' panicked")
    assert server.take_panics() == ["thread 'engine' panicked at src/toys.rs:3"]
    assert server.take_panics() == []
    with server.log_file.open("ab") as log:
        log.write(b" at src/toys.rs:4\n")
    assert server.take_panics() == ["thread 'x' panicked at src/toys.rs:4"]
    pool.discard(MODEL)
    assert server.take_panics() == []


def test_a_discarded_server_is_ended_and_started_anew_when_asked_for(
    pool: ServerPool, programs: Programs
) -> None:
    first = pool.get(MODEL)
    pool.discard(MODEL)
    assert is_gone(programs.pids[0])
    assert pool.get(MODEL) is not first
    pool.discard(OTHER)


def test_closing_ends_all_of_them(pool: ServerPool, programs: Programs) -> None:
    pool.get(MODEL)
    pool.get(OTHER)
    pool.close()
    assert all(map(is_gone, programs.pids))


def test_a_failed_start_is_told_and_not_kept(programs: Programs) -> None:
    pool = ServerPool(programs.server("sys.exit(1)"), programs.settings())
    for _ in range(2):
        with pytest.raises(StartFailure):
            pool.get(MODEL)
    assert len(programs.pids) == 2
    pool.close()


def test_with_one_port_there_is_one_server_at_a_time(programs: Programs) -> None:
    pool = ServerPool(programs.server(), programs.settings(test_port=free_port()))
    first = pool.get(MODEL)
    second = pool.get(OTHER)
    assert second.url == first.url
    assert not first.alive
    pool.close()
