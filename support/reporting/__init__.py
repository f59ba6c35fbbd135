"""The reports of a run: terminal, Allure and its HTML page, matrix, JSON, JUnit, Markdown, evidence.

allure_formatter  Allure results: scenarios, steps, checks, attachments
behave_events     events of a run: start and end of scenarios, errors outside of them
check_text        the result of a check in words
console           one result as lines of the terminal
evidence          the evidence folder of a failed scenario
files             writes report files
history           earlier runs, for trends
html              `index.html`: one file, made by Allure 3, that needs no network
junit             JUnit XML
matrix            the matrix: result of each check on each server
progress          progress on the terminal (`-f live`)
recorder          writes records
rendering         what is made of `templates/*.jinja`: pages of the matrix, `summary.md`, the closing text
report_json       `report.json`
report_writer     all reports of a run: what is removed first, printed, written at the end; time limits of
                  capabilities
resource_chart    the chart of resource usage
run_verdict       GO or NO-GO as reports show it: sentences, causes, time limits
summary           counts and times of a run, from its records
"""
