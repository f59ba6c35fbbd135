"""Behaviours that take several requests, per API."""
