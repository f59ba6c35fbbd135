"""What a run produces: outcomes, checks, records, verdicts, known issues, redaction.

check         `CheckResult`: the result of one check; the verdict over a group
known_issues  `known_issues.toml`: known issues by id or title, versions, flaky ones
must_check    results that a Then step has to check
outcome       verdict, evidence, matrix cell, measurement
record        the record of a scenario: one line of JSON
redaction     removes secrets from everything that is printed or written
safe_text     text from outside, shortened and without control codes
verdicts      the verdict of a scenario, from behave's status and its exceptions
"""
