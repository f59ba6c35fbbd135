"""`make mutation`: what is changed, and which explanations of survivors have to fit one."""

from __future__ import annotations

import re

import pytest

from tools.mutation import Explanation, Mutant, main, of_modules, report

DECISION, RATIO = "support/results/decision.py", "support/performance/ratio.py"
STATUSES = {
    "support.results.decision.x_causes__mutmut_1": "survived",
    "support.results.decision.xǁDecisionǁmarked__mutmut_2": "killed",
    "support.performance.ratio.x_ratio__mutmut_1": "not checked",
}
SURVIVOR = Mutant("support.results.decision.x_causes__mutmut_1", DECISION, "causes", ("a",), ("b",))


def explained(module: str, added: str) -> Explanation:
    return Explanation(module, re.compile(added), "a reason")


def test_the_changes_of_a_module_alone() -> None:
    assert list(of_modules(STATUSES, [DECISION])) == list(STATUSES)[:2]
    assert list(of_modules(STATUSES, [DECISION, RATIO])) == list(of_modules(STATUSES, [])) == list(STATUSES)


@pytest.mark.parametrize(
    ("explanations", "modules", "code"),
    [
        ([], [DECISION], 1),
        ([explained(RATIO, "b")], [DECISION], 1),
        ([explained(DECISION, "b")], [], 0),
        ([explained("", "b")], [DECISION], 0),
        ([explained(DECISION, "b"), explained(DECISION, "c")], [DECISION], 1),
        # Only with all modules changed, each explanation fits a survivor.
        ([explained(DECISION, "b"), explained(RATIO, "c"), explained("", "c")], [DECISION], 0),
        ([explained(DECISION, "b"), explained(RATIO, "c")], [], 1),
        ([explained(DECISION, "b"), explained("", "c")], [], 1),
    ],
)
def test_each_survivor_has_an_explanation_and_each_explanation_a_survivor(
    explanations: list[Explanation], modules: list[str], code: int
) -> None:
    assert report(of_modules(STATUSES, modules), [SURVIVOR], explanations, 1.0, modules=modules) == code


def test_a_module_that_is_not_listed_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--module", DECISION, "--module", "support/units.py"]) == 2
    assert capsys.readouterr().err.endswith("[tool.mutmut] of pyproject.toml: support/units.py\n")
