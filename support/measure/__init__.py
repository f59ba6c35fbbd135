"""Figures: what the target uses while it is judged."""
