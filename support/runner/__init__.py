"""The behave runner: selection, workers, time limits, verdicts, exit code.

behave_config        behave's command line and configuration
checks_of_scenarios  which scenario runs which group; validation of ids and titles
coordinator          assigns feature files to workers, replaces crashed workers
entry_point          runs behave in this process, with the exit codes of the suite
event_runner         behave's runner with listeners for the reports, and formatters that cannot end it
exit_code            the exit code of a run, from its records; scenarios that were not reached
list_scenarios       `--list`: scenarios, requirements, cases
messages             the messages between coordinator and workers
project_configuration  behave reads the project's pyproject.toml alone; environment variables of other
                       programs are removed
requirements         what `@needs.*` tags require; the reason and the remedy of a skip
rerun                `--rerun-failed` and `--iterations`
result_collector     collects the results of workers: records, terminal output, crashed workers
runner               `GuardedRunner`: the frame of a run, from settings to exit code
scenario_runner      runs scenarios in one process: hooks, skips, verdicts
scheduler            the order of feature files: longest first; `@serial` and `@lock.NAME`
selection            suites, tags, paths, `--target`, `--model`, `--case`
signals              Ctrl-C and SIGTERM: the first ends the run in order, the second at once
tags                 the closed list of tags
time_limits          soft and hard time limits of steps, hooks and cleanups
upgrade              `acceptance compare`: runs what is no report yet, then compares
wall_clock           whether the wall clock was set while a scenario ran
worker               the worker process
worker_pool          the worker processes as the coordinator sees them
"""
