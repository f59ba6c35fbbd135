"""Metrics of a server: the page that Prometheus reads, what it contains, and a server that is monitored.

alert_rules      the rules file for Prometheus, with its parameters (`alert_rules.toml`)
exposition       the text exposition format of Prometheus: reading a page, and what is wrong with it
metric_table     which metrics a version of mistral.rs has, with type and labels (`metric_table.toml`)
prometheus_api   what a Prometheus answers: queries, targets, rules, alerts
prometheus_pair  one Prometheus and one Alertmanager on loopback, with a generated and checked configuration
session          a server with the Prometheus and the Alertmanager that monitor it
webhook          a receiver of Alertmanager's notifications
"""
