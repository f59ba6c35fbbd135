"""The exceptions of the suite.

    Exception
    +-- AssertionError            the product is wrong         (report: failed)
    |   +-- CheckFailed           a check found that
    |   +-- TimeLimitExceeded     it took too long             (report: failed)
    |   +-- SeveralFailures       several things are wrong     (report: failed)
    +-- AcceptanceError           the harness cannot continue  (report: broken)
        +-- SettingsError         a setting is wrong           (exit code 2, before anything starts)
        +-- TargetError           the target cannot be used    (exit code 2, before anything starts)
        +-- NothingSelected       no scenario would run        (exit code 3)
        +-- ProgramUnavailable    an external program is missing and could not be fetched
        +-- NotSupported          the server is known not to support what the scenario checks (skipped)

Each message is one line: what is wrong, where it comes from, what to do.
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence

EXIT_PASSED = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_NOTHING_SELECTED = 3
EXIT_HARNESS = 4
EXIT_BUDGET = 5
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143
# With these a run has verdicts of all its scenarios.
COMPLETE_CODES = (EXIT_PASSED, EXIT_FAILED, EXIT_BUDGET)


class CheckFailed(AssertionError):
    """What a check requires is not so. Not an `assert`: Python removes these with -O."""


class TimeLimitExceeded(AssertionError):
    """A step, a hook or a cleanup exceeded its time limit (support/runner/time_limits.py)."""


class SeveralFailures(AssertionError):
    """Several things are wrong; `failures` are all of them, the message may show some only.

    `cause`: see `cause_of`.
    """

    def __init__(self, message: str, failures: Sequence[str], cause: str = "") -> None:
        super().__init__(message)
        self.failures = tuple(failures)
        self.cause = cause


class AcceptanceError(Exception):
    """Something around the product is wrong; `exit_code` is what the command ends with."""

    exit_code = EXIT_HARNESS


class SettingsError(AcceptanceError):
    """A setting is unknown or has a wrong value."""

    exit_code = EXIT_USAGE


class TargetError(AcceptanceError):
    """The server under test cannot be used at all."""

    exit_code = EXIT_USAGE


class NothingSelected(AcceptanceError):
    """The selection matches no scenario: a green result would mean nothing."""

    exit_code = EXIT_NOTHING_SELECTED


class ProgramUnavailable(AcceptanceError):
    """An external program is missing and could not be fetched."""


class NotSupported(AcceptanceError):
    """Not supported by the server: the rest of the scenario is skipped (under --strict: failed)."""


def cause_of(error: BaseException | None) -> str:
    """The cause that an error, or the one that it was raised from, has in its field `cause`; else "".

    All that fails because a server does not start, or has died, has the same cause.
    """
    while error is not None:
        if cause := getattr(error, "cause", ""):
            return str(cause)
        error = error.__cause__
    return ""


def internal_error(error: Exception) -> str:
    """An exception that the suite does not expect, as one line with the place that raised it."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    text = " ".join(str(error).split())
    return f"internal error: {type(error).__name__}: {text} ({place.filename}:{place.lineno})"
