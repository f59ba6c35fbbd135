"""Faults that are injected on purpose, as evidence that the suite detects defects (docs/fault_injection.md).

catalogue        the fault catalogue: reads and validates `catalogue/*.toml`
event_changes    changes of a stream, event by event
fault_notes      whether a fault was applied, and errors of the proxy itself
fault_rates      faults in each N-th exchange only, and which of them the requests of a run reach
fault_proxy      a reverse proxy that applies faults to the exchanges that they are for
faulty_command   runs a command that does not serve, with other input, output or end
faulty_program   a program that stands for a server's program: the real one with a fault in front of it
gpu_record       faults of the record of GPUs, which the suite's exporter has
http_fault       one fault of the exchanges of a server, as data
json_changes     changes of one JSON document
proof            the verdict about each fault, and the bounds of the rates
proof_command    `acceptance prove`
proof_report     what `acceptance prove` prints and leaves
proof_runs       runs the suite once for each fault
stand_in_gpu     NVML and nvidia-smi of a machine without a GPU
suite_process    a run of the suite in a process that is forked from this one
blind_command    `acceptance prove --blind`
blind_mutations  mechanical changes of a recorded response
blind_recordings the responses of a real server to the conformance checks
blind_replay     judges a check on recorded responses
blind_report     the mutation score, explained survivors (`blind_survivors.toml`), gaps
blind_score      all mutations of a recording, or a sample of them
"""
