"""External programs and child processes: find, install, start, measure, stop.

aider                Aider and its successor cecli, each installed in a Python environment of its own
allure               Allure 3, which makes the HTML report, and Node.js, which runs it
browser              a Chromium of this machine, without a window
child_environment    the environment variables of a program under test: offline, own home
connections          the network connections of processes, read while they may change
cpu_contention       how much of the CPU other processes had
deferred_interrupts  sections of code in which Ctrl-C waits
energy               energy that GPUs and processors have used, where a counter can be read
grafana_components   Grafana's components, joined to one file
independent_suites   test suites that others have written, each in a fixed version
install              what every external program has (`find`, `get`); builds or installs it with its
                     ecosystem's command
launcher             starts a server program and waits until it is ready: log line, port, HTTP
llama_cpp            llama-cpp-python with its server, compiled in an environment of its own
mistralrs            the real mistral.rs: found or built with cargo
never_ready          starts that ran into their time limit: after two of a kind no more are tried
ollama               Ollama: found or built with Go
output_limit         the limit of what a program prints: its start and its end are kept
process              child processes and their groups: start, output, time limit, end
prometheus           Prometheus and Alertmanager with their tools: found, or unpacked from Debian's packages
registry             the external programs by name
resource_usage       `resource-usage.csv`: CPU, memory, threads, open files and GPU of the target, once per
                     second
run_directory        the temporary folder of a run, and the removal of abandoned ones
sampling             a thread that samples until it is stopped
smollm2              the trained model SmolLM2, from its Python package
starts               how servers were started, to start them again
system_program       git and tmux, of the package manager of the system
"""
