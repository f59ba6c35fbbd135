"""External programs: where found (setting, PATH, cache), how got, which version."""
