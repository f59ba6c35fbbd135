"""The step definitions of the toy suite."""

import os

from behave import given, then, when


@given("a target")
def a_target(context):
    print("the target says hello")


@when("it answers {number:d}")
def it_answers(context, number):
    context.number = number


@then("the answer is {number:d}")
def the_answer_is(context, number):
    assert context.number == number, (
        f"expected {number}, got {context.number}\nsee \x1b[31mred\x1b[0m [/bold] \udc80"
    )


@then("the harness fails")
def the_harness_fails(context):
    raise OSError("connection refused")


@then('the secret "{secret}" is told')
def the_secret_is_told(context, secret):
    print(os.environ["TOY_LEAK"])
    raise AssertionError(os.environ["TOY_LEAK"])


@then("nothing more is asked")
def nothing_more(context):
    context.scenario.skip("the step has seen enough")
