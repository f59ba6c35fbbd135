"""Products that the suite ships and starts as programs."""
