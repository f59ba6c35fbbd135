"""The reports of a run: terminal, Allure and its HTML page, matrix, JSON, JUnit, Markdown, evidence.

allure_formatter  Allure results: scenarios, steps, checks, attachments
behave_events     events of a run: start and end of scenarios, errors outside of them
check_text        the result of a check in words
comparison        two finished runs compared: differences, GO or NO-GO for the upgrade, page
console           one result as lines of the terminal
evidence          the evidence folder of a failed scenario
files             writes report files
finished_run      a run that has ended, read again from its folder of reports
history           earlier runs, for trends
html              `index.html`: one file, made by Allure 3, that needs no network
junit             JUnit XML
known_issues_page what is known to fail on the target, by reason
matrix            the matrix: result of each check on each server
measured_changes  what is slower or larger in the second of two finished runs
progress          progress on the terminal (`-f live`)
recorder          writes records
fault_evidence     what the last `acceptance prove` found
github_job        the summary of a job on GitHub, and its annotations
rendering         what is made of `templates/*.jinja`: pages of the matrix, `summary.md`, the closing text
repeat_script     `repeat.sh`: repeats a failure by its requests, or by a run of the suite
report_json       `report.json`
report_writer     all reports of a run: what is removed first, printed, written at the end; time limits of
                  capabilities
resource_chart    the chart of resource usage
run_verdict       GO or NO-GO as reports show it: sentences, causes, time limits
summary           counts and times of a run, from its records
"""
