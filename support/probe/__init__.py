"""Checks that are repeated on a server in production, with their results as metrics (`acceptance probe`).

checks       what is requested in a round (`checks.toml`), and how each check ended
metrics      the results as metrics for Prometheus
prober       one round after another, until it is stopped
"""
