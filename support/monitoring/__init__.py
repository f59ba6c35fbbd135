"""Metrics of a server: the page that Prometheus reads, and what it has to contain.

alert_rules   the rules file for Prometheus, with its parameters (`alert_rules.toml`)
exposition    the text exposition format of Prometheus: reading a page, and what is wrong with it
metric_table  which metrics a version of mistral.rs has, with type and labels (`metric_table.toml`)
"""
