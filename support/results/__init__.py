"""What a run produces: outcomes, checks, records, verdicts, known issues, redaction.

accepted_issues  `accepted.toml`: failures that are accepted until a date
behave_types     the objects of behave that the suite uses, as protocols
causes           the text of a cause, and its form that is equal for equal causes
check            `CheckResult`: the result of one check; the verdict over a group
decision         GO or NO-GO: what failed, and what of it counts under the gate
known_issues     `known_issues.toml`: known issues by id or title and version; flaky ones; a listed check
                 that passes
must_check       results that a Then step has to check; an unchecked one fails the scenario
outcome          verdict, evidence, matrix cell, measurement
program_version  a program and its version, as in `mistralrs 0.9.2`
record           the record of a scenario: one line of JSON
redaction        removes secrets from everything that is printed or written
rerun_command    the command that runs a check or a scenario again, on the same server
safe_text        text from outside, shortened and without control codes
scope            the capabilities and model formats in use
scenario_result  what a When step produced, and the checks of Then steps on it
severity         how severe a failure is, by tag
standard_streams standard streams that are closed, or whose reader has ended
verdicts         the verdict of a scenario: passed, failed, broken, skipped, known issue
"""
