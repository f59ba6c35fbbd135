"""The step definitions of the toy suite."""

import os

from behave import given, then, when
from behave.runner import Context


@given("a target")
def a_target(context: Context) -> None:
    print("the target says hello")


@when("it answers {number:d}")
def it_answers(context: Context, number: int) -> None:
    context.number = number


@then("the answer is {number:d}")
def the_answer_is(context: Context, number: int) -> None:
    assert context.number == number, (
        f"expected {number}, got {context.number}\nsee \x1b[31mred\x1b[0m [/bold] \udc80"
    )


@then("the harness fails")
def the_harness_fails(context: Context) -> None:
    raise OSError("connection refused")


@then('the secret "{secret}" is told')
def the_secret_is_told(_context: Context, secret: str) -> None:
    print(os.environ["TOY_LEAK"])
    raise AssertionError(os.environ["TOY_LEAK"])


@then("nothing more is asked")
def nothing_more(context: Context) -> None:
    context.scenario.skip("the step has seen enough")
