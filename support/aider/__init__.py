"""Aider, the coding assistant, as a user of the server.

cecli            how Aider's successor is started, and led to a server
configuration    the options that the suite gives Aider, and the files that describe a model to it
connection       connects Aider to a server: one of the suite with a project's model, or the user's own
evidence         the changes, runs and requests of Aider in short, for the report of each scenario
exercise_runs    Aider works on the exercises in one scenario: evidence, figures, what has to be solved
exercises        ten exercises for a capable model, and the figures of Aider's own benchmark
fork_server      runs Aider in forks of a process that has imported it (executed by Aider's Python)
host             that process, and the environment of Aider
process_watch    the connections of the processes that Aider starts
project          a git repository that Aider works on, with its tests and the answers of the model
run              one run of Aider, and the checks of what it printed and sent
scenario         what the steps about Aider call
server           the server that Aider is connected to, and the processes that have its model
server_failures  failures of a server by their names: what the proxy does with the next requests
session          an interactive session in a terminal
traffic          the requests of Aider by their kind
unusual_answers  allowed answers of an uncommon form: shapes of a stream, commit messages
waiting_time     how long Aider takes after its first request, and how long it may take
"""
