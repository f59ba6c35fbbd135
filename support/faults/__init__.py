"""What goes wrong on purpose: disconnects, malformed requests, fuzzing."""
