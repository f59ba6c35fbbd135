"""Many users at once, and whether the server is busy."""
