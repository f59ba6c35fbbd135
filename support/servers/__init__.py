"""The servers of a run: mistral.rs, Ollama and gateways, started by the suite or at a URL.

benchmark_table  the table that `mistralrs bench` prints
bundled_gateway  the bundled gateway as a process in front of a server
capabilities     what versions of a program are documented not to have (`capabilities.toml`, `@needs.*`)
cli_checks       runs of the program on the command line, checks of its output and exit code
command_line     the command line of each version
dedicated        a server, with a gateway, for one scenario
discovery        which server is the target, and why: `TARGET_URL`, `MISTRALRS_BIN`, PATH, cache, reference
                 server
endpoints        `Endpoint`: one API of one server; those of a run, and the servers to compare with
launch_checks    checks of a launch: readiness, memory, error message, log
launch_plans     launches by the names that features use (`launch_plans.toml`)
llama_cpp        the server of llama-cpp-python as a process
mistralrs        a mistral.rs server as a process; an attempt to start one; advice for known failures
                 (`startup_hints.toml`)
network_monitor  detects outgoing network access of a program
ollama           a real Ollama as a process, with the models of the suite
ollama_backends  the servers of the Ollama API: gateway, real Ollama, or the user's
pool             servers shared by scenarios; one that died is replaced
post_mortem      why a server did not respond: exited, hung, unreachable
preconditions    what a run needs before it starts: a free port, a folder for models, the Ollama API
served_model     which model a server serves: the scripted one, intact or damaged, or another
stated_version   program and version that a server at a URL states itself
subject          what a run tests, and whether that may go live
"""
