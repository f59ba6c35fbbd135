"""`mistralrs-reference bench`: time to first token and decode speed, measured on the engine's streams.

The binary gives the engine token ids; the Python package takes text only. So the prompt is a text whose
number of tokens is checked, and the report says so.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import click

from support.bundled.reference_server import logs
from support.bundled.reference_server.engine import Call, Engine, PythonEngine
from support.bundled.reference_server.loading import LoadError, ModelOptions, load, resolve_model

_WORDS = (" the", " a", "a", "the ", "x ")


@dataclass(frozen=True)
class Plan:
    """What to measure: lengths and depths in tokens."""

    prompts: tuple[int, ...]
    decode: int
    depths: tuple[int, ...]
    iterations: int
    warmup: int

    @classmethod
    def parse(cls, prompt_len: str, gen_len: int, depth: str, iterations: int, warmup: int) -> Plan:
        """From the options. Raises `LoadError` in the binary's words."""
        prompts, depths = _numbers(prompt_len, "--prompt-len"), _numbers(depth, "--depth")
        prompts = tuple(length for length in prompts if length > 0)
        if iterations == 0:
            raise LoadError("--iterations must be greater than 0")
        if not prompts and gen_len < 2:
            raise LoadError("benchmark must enable at least one TTFT or decode measurement")
        if gen_len >= 2 and 0 in depths:
            raise LoadError("--depth must be greater than 0 when decode metrics are enabled")
        return cls(prompts, gen_len, depths, iterations, warmup)


def _numbers(text: str, name: str) -> tuple[int, ...]:
    try:
        numbers = tuple(int(part) for part in text.split(","))
    except ValueError:
        numbers = (-1,)
    if min(numbers) < 0:
        raise click.UsageError(f"invalid value '{text}' for '{name}': invalid digit found in string")
    return numbers


def measure(model: ModelOptions, plan: Plan) -> None:
    """Load the model, measure, print the table. Raises what `load` raises."""
    source = resolve_model(model)
    logs.log(logs.BENCH, "Loading model for benchmarking...")
    runner = load(replace(model, max_seqs=1, prefix_cache_n=0), raw_prompts=True)
    logs.log(logs.BENCH, "Model loaded.")
    engine = PythonEngine(runner, lambda: runner, max_seqs=1)
    limit = runner.max_sequence_length()
    longest = max([length + 1 for length in plan.prompts] + [depth + plan.decode for depth in plan.depths])
    if limit is not None and longest > limit:
        raise LoadError(f"benchmark request length {longest} exceeds model maximum {limit}")
    rows: list[tuple[str, list[float], int, str]] = []
    tests: list[tuple[str, Callable[[], float], int, str]] = [
        *[(f"TTFT ({n} input tokens)", _timer(engine, n, 1), n, "TTFT") for n in plan.prompts],
        *[
            (f"Decode ({plan.decode} tokens @ d{n})", _timer(engine, n, plan.decode), 1, "TPOT")
            for n in plan.depths
            if plan.decode >= 2
        ],
    ]
    for name, once, tokens, unit in tests:
        rows.append((name, _samples(plan, once), tokens, unit))
    click.echo(_report(source.model_id, plan, rows))


def _samples(plan: Plan, once: Callable[[], float]) -> list[float]:
    if plan.warmup:
        logs.log(logs.BENCH, f"Running {plan.warmup} warmup iteration(s)...")
        for _ in range(plan.warmup):
            once()
        logs.log(logs.BENCH, "Warmup complete.")
    samples = []
    for number in range(plan.iterations):
        logs.log(logs.BENCH, f"Iteration {number + 1}/{plan.iterations}...")
        samples.append(once())
    return samples


def _timer(engine: Engine, prompt: int, decode: int) -> Callable[[], float]:
    """Seconds to the first token, or, when more are decoded, seconds for each token after it."""
    text = _text(engine, prompt)

    def once() -> float:
        call = Call(text, {"max_tokens": decode, "ignore_eos": True, "temperature": 0.0})
        started, first, last, tokens = time.perf_counter(), 0.0, 0.0, decode
        for chunk in engine.stream(call):
            last = time.perf_counter()
            first = first or last
            tokens = chunk.usage["completion_tokens"] if chunk.usage else tokens
        return first - started if decode == 1 else (last - first) / max(tokens - 1, 1)

    return once


def _text(engine: Engine, tokens: int) -> str:
    """A text of exactly so many tokens. Raises `LoadError` when the tokenizer allows none of ours."""
    for word in _WORDS:
        each = engine.count_tokens([word * 9]) - engine.count_tokens([word * 8])
        if each == 1:
            text = word * (tokens - engine.count_tokens([word * 8]) + 8)
            if engine.count_tokens([text]) == tokens:
                return text
    raise LoadError(f"no text of exactly {tokens} tokens found for this tokenizer")


def _report(name: str, plan: Plan, rows: list[tuple[str, list[float], int, str]]) -> str:
    from rich.box import SQUARE_DOUBLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table("Test", "T/s", "Latency", box=SQUARE_DOUBLE_HEAD, show_lines=True)
    for test, seconds, tokens, unit in rows:
        rates = [tokens / each for each in seconds]
        table.add_row(
            test,
            f"{statistics.fmean(rates):.1f} ± {statistics.pstdev(rates):.1f}",
            f"{statistics.fmean(seconds) * 1000:.2f} ms {unit}",
        )
    console = Console()
    with console.capture() as drawn:
        console.print(table)
    return (
        "\nBenchmark Results\n=================\n\n"
        f"Model: {name}\nAdapter: base\nIterations: {plan.iterations}\n"
        f"Prompts: repeated text (the engine's Python package takes no token ids)\n\n{drawn.get()}"
    )
