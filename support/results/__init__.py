"""What a run produces: outcomes, checks, records, verdicts, known issues, redaction.

behave_types     the objects of behave that the suite uses, as protocols
check            `CheckResult`: the result of one check; the verdict over a group
known_issues     `known_issues.toml`: known issues by id or title and version; flaky ones; a listed check
                 that passes
must_check       results that a Then step has to check; an unchecked one fails the scenario
outcome          verdict, evidence, matrix cell, measurement
record           the record of a scenario: one line of JSON
redaction        removes secrets from everything that is printed or written
safe_text        text from outside, shortened and without control codes
scenario_result  what a When step produced, and the checks of Then steps on it
verdicts         the verdict of a scenario: passed, failed, broken, skipped, known issue
"""
