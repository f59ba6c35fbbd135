"""Metrics of a server: the page that Prometheus reads, what it contains, and a server that is monitored.

alert_rules        the rules file for Prometheus, with its parameters (`alert_rules.toml`)
dashboard          the Grafana dashboard, and the files that load it (`dashboard.toml`)
dashboard_data     what its panels show on a running Prometheus
dashboard_picture  a page with a picture of each panel, by the suite's own drawing
dashboard_queries  its queries, with the values of its variables
exposition         the text exposition format of Prometheus: reading a page, and what is wrong with it
exposition_lines   one line of it
gpu_utilization    utilisation of a GPU by Prometheus and nvidia-smi beside the readings of NVML
grafana_picture    the same page with Grafana's components, as a picture
healthy_load       a load that a server can serve, as its client and as Prometheus counted it
incident           alerts with their causes, as Prometheus and Alertmanager noticed them
load               requests of users, with what the client counted of each
grafana            a user's Grafana: data source, dashboard, queries of panels, alerts
metrics_endpoint   where commands of this project serve metrics
metric_table       which metrics a version of mistral.rs has, with type and labels (`metric_table.toml`)
probe_program      `acceptance probe` as a process beside a monitored server
process_metrics    resource use of a server's process, and of GPUs, as metrics
prometheus_api     what a Prometheus answers: queries, targets, rules, alerts
prometheus_pair    one Prometheus and one Alertmanager on loopback, with a generated and checked configuration
prompt_memory      memory of a server that answers different prompts
proxied_server     a server without metrics, behind an exporter and a proxy
promql             expressions as trees: the series that they read, the labels of their results
resource_use       resource use by Prometheus beside that by the system
session            a server with the Prometheus and the Alertmanager that monitor it
soak               memory of a server under a long load while nobody scrapes
watched_server     whether a Prometheus of the user scrapes the server under test
webhook            a receiver of Alertmanager's notifications
"""
