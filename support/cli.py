"""The command `acceptance`: run the suite, get what it needs, show what is set."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from support.errors import AcceptanceError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Decides whether a mistral.rs stack may go live.

    \b
    Exit codes: 0 passed, 1 failed, 2 wrong usage, settings or target,
    3 nothing selected or everything skipped, 4 harness broken, 5 over budget,
    130 interrupted, 143 terminated.
    """


@main.command()
@click.argument("paths", nargs=-1)
@click.option("--tags", "-t", multiple=True, help="Tag expression, for example 'smoke and not slow'.")
@click.option("--name", "-n", multiple=True, help="Run scenarios whose title matches this.")
@click.option("--define", "-D", "defines", multiple=True, metavar="NAME=VALUE", help="A setting.")
@click.option("--target", type=click.Choice(["auto", "real", "reference"]), help="Which server to judge.")
@click.option("--jobs", "-j", type=click.IntRange(1), default=1, show_default=True, help="Workers.")
@click.option("--fail-fast", is_flag=True, help="Stop at the first failure.")
@click.option("--suite", default="acceptance", show_default=True, help="Name of the run in the reports.")
def run(
    paths: tuple[str, ...],
    tags: tuple[str, ...],
    name: tuple[str, ...],
    defines: tuple[str, ...],
    target: str | None,
    jobs: int,
    fail_fast: bool,
    suite: str,
) -> None:
    """Run feature files or folders (default: all but @slow)."""
    from support.running.front import run_features

    words = [f"--tags={tag}" for tag in tags] + [f"--name={title}" for title in name]
    words += [f"--define={define}" for define in (*defines, f"suite={suite}")]
    if target is not None:
        words.append(f"--define=acceptance_target={target}")
    sys.exit(run_features([*words, *(["--stop"] if fail_fast else []), *paths], jobs))


@main.command()
@click.argument("part", type=click.Choice(["mistralrs", "allure", "node", "smollm2"]))
def get(part: str) -> None:
    """Get an external program or model into the cache, when it is not there."""
    from support.parts.all import get_part
    from support.settings import load_settings

    try:
        click.echo(get_part(part, load_settings().settings.acceptance_cache_dir, click.echo))
    except AcceptanceError as error:
        _end(error)


@main.command()
def settings() -> None:
    """Show all settings, their values and where they come from."""
    from support.settings import Settings, load_settings

    try:
        rows = load_settings().table()
    except AcceptanceError as error:
        _end(error)
    for name, value, origin in rows:
        click.echo(f"{name} = {value} (from {origin})")
        click.echo(f"    {Settings.model_fields[name].description}")


@main.command()
@click.option("--format", "format_name", type=click.Choice(["GGUF", "SafeTensors", "GGML"]), default="GGUF")
def model(format_name: str) -> None:
    """Make the speaking model when it is not there and print its path, to serve it yourself."""
    from support.models.script import Script
    from support.models.store import ModelStore
    from support.settings import load_settings
    from support.target.starts import FORMATS

    try:
        cache: Path = load_settings().settings.acceptance_cache_dir / "models"
        click.echo(ModelStore(cache).speaking(Script.standard(), format=FORMATS[format_name]).path)
    except AcceptanceError as error:
        _end(error)


def _end(error: AcceptanceError) -> None:
    click.echo(f"acceptance: {error}", err=True)
    sys.exit(error.exit_code)
