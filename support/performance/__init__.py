"""Concurrent users, overload, whether a server is busy, and loads with exact times.

activity      whether a server is working: from its metrics or its CPU time
benchmark_command  the benchmark command of mistral.rs in the place of a load
compared_servers  the comparison of a scenario
comparison    two targets in one run: the ratios of their figures
comparison_command  `acceptance load --against`
comparison_report  a comparison as a table, CSV and JSON
concurrency   concurrent users with different questions, also more than the server has slots
configurations  latency, throughput and memory by size, quantisation and setting
distributed   a load from several machines, with Locust between them
ground_truth  a server that states when it sent each token
load          a load of streamed chat requests, with the time of each token
history_entries  comparisons and searches for a limit in the history
limit_texts   limits of latencies as text
limits        the limits of service levels, and their verdicts
load_command  what `acceptance load` does
load_figures  latencies, throughput, failures and goodput of a load
load_history  the figures of earlier loads
load_limit    the largest load within limits
load_over_time  rate and requests in flight by tenth of the measured part
load_report   what a load leaves in a folder
load_validation  its figures once more, by another implementation
machine_profile  CPU model, cores and governor of this machine
machine_state  the machine during a measurement: waiting for CPUs, steal, governor
load_table    the table of a step as loads
measured_load  a load in each of its rounds, and the figures of a round
plain_usage   the tokens of a load whose streams have no usage
percentiles   percentiles with confidence bounds, and the verdict of a limit
plots         plots of measured loads
quantisations  ratios of two quantisations of one model
ratio         the ratio of two targets, paired by rounds, and the mean of a figure
regression    a load against the last accepted one; steps in the history
resources     memory, GPU and energy during a load
scenario      what the steps about concurrent users and measured loads call
service_levels  loads in rounds, and the verdicts about them
steady_state  trend and step of a series of measurements
target_facts  version, file, parallelism, context, threads and caches of a server
thresholds    service levels by hardware profile (`thresholds.toml`)
token_counts  tokens of a load by events, usage and the server's counter
validity      whether the figures of a load are those of its target
"""
