"""Outcomes, records, verdicts, known issues, redaction."""
