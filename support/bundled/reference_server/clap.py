"""click with the manners of Rust's clap, which the real command line is made with.

Wrong arguments: `error: ...`, a usage line and a hint on standard error, exit code 2 (mistralrs.md 1.1, 1.2).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NoReturn

import click

PACKAGE = "mistralrs"


def print_version(ctx: click.Context, _: click.Parameter, requested: bool) -> None:
    """`NAME VERSION`, the version being the engine's; subcommands say theirs with a hyphen, as clap does."""
    if requested:
        # Only this needs it, and it would be a quarter of the time of every other call.
        from importlib.metadata import version

        click.echo(f"{ctx.command_path.replace(' ', '-')} {version(PACKAGE)}")
        ctx.exit()


def version_option() -> click.Option:
    return click.Option(
        ["-V", "--version"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=print_version,
        help="Print version.",
    )


class Option(click.Option):
    """An option whose errors name it the way clap does: `--port <PORT>`."""

    def __init__(
        self, *args: Any, conflicts_with: str | None = None, requires: str | None = None, **kwargs: Any
    ) -> None:
        """Names of parameters: one that may not be given together with this one, one that has to be."""
        super().__init__(*args, **kwargs)
        self.conflicts_with = conflicts_with
        self.requires = requires

    def type_cast_value(self, ctx: click.Context, value: Any) -> Any:
        try:
            return super().type_cast_value(ctx, value)
        except click.BadParameter as error:
            choices = getattr(self.type, "choices", None)
            why = (
                f"\n  [possible values: {', '.join(choices)}]"
                if choices
                else f": {error.message.rstrip('.')}"
            )
            raise click.UsageError(f"invalid value '{value}' for '{display_name(self)}'{why}", ctx) from None


class Command(click.Command):
    """A command that refuses a repeated option, options that exclude each other, or one without its other."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(version_option())

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            _, _, order = self.make_parser(ctx).parse_args(list(args))
        except click.UsageError as error:
            error.ctx = error.ctx or ctx
            raise
        given = {param.name: param for param in order}
        for param, times in Counter(order).items():
            if times > 1 and not param.multiple and not getattr(param, "count", False):
                raise click.UsageError(
                    f"the argument '{display_name(param)}' cannot be used multiple times", ctx
                )
            other = given.get(getattr(param, "conflicts_with", None) or "")
            if other is not None:
                raise click.UsageError(
                    f"the argument '{display_name(param)}' cannot be used with '{display_name(other)}'", ctx
                )
            wanted = getattr(param, "requires", None)
            if wanted is not None and wanted not in given:
                needed = next(each for each in self.params if each.name == wanted)
                raise click.MissingParameter(ctx=ctx, param=needed)
        return super().parse_args(ctx, args)


class Group(click.Group):
    """The top command. `main` never returns: it exits with clap's codes and streams."""

    command_class = Command

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(version_option())

    def main(self, args: Sequence[str] | None = None, **extra: Any) -> NoReturn:  # type: ignore[override]
        try:
            code = super().main(args, self.name, standalone_mode=False, **extra)
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message(), err=True)
            raise SystemExit(2) from None
        except click.UsageError as error:
            click.echo(format_usage_error(error), err=True)
            raise SystemExit(2) from None
        except click.Abort:
            raise SystemExit(130) from None
        raise SystemExit(code if isinstance(code, int) else 0)


def display_name(param: click.Parameter) -> str:
    """`--port <PORT>`, or `--no-ui` for an option without a value."""
    name = max(param.opts, key=len)
    if getattr(param, "is_flag", False) or getattr(param, "count", False):
        return name
    return f"{name} <{name.lstrip('-').replace('-', '_').upper()}>"


def format_usage_error(error: click.UsageError) -> str:
    """What is printed for wrong arguments."""
    usage = error.ctx.get_usage() if error.ctx else ""
    return f"error: {_error_text(error)}\n\n{usage}\n\nFor more information, try '--help'."


def _error_text(error: click.UsageError) -> str:
    context = error.ctx
    if isinstance(error, click.NoSuchOption):
        tip = (
            f"\n\n  tip: a similar argument exists: '{error.possibilities[0]}'" if error.possibilities else ""
        )
        return f"unexpected argument '{error.option_name}' found{tip}"
    if isinstance(error, click.exceptions.NoSuchCommand):
        return f"unrecognized subcommand '{error.command_name}'"
    if isinstance(error, click.BadOptionUsage) and context is not None:
        for param in context.command.params:
            if error.option_name in param.opts:
                if getattr(param, "is_flag", False):
                    return f"unexpected value for '{display_name(param)}' found; no more were expected"
                return f"a value is required for '{display_name(param)}' but none was supplied"
    if isinstance(error, click.MissingParameter) and error.param is not None:
        return f"the following required arguments were not provided:\n  {display_name(error.param)}"
    if "unexpected extra argument" in error.message:
        return f"unexpected argument '{error.message.partition('(')[2].split(' ')[0].rstrip(')')}' found"
    return error.message
