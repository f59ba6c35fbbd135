"""Checks that take several requests.

ollama      the Ollama API, and its official client
responses   the Responses API
anthropic   the Messages API
metrics     the page of metrics: format, names, accuracy
monitoring  a monitored server: its target, its figures under load, its alerts
exporter    a server that is monitored from outside
prometheus  a Prometheus of the user: targets, rules, alerts
"""
