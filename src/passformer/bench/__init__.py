"""Benchmarks of the system itself, over small C programs of our own in `programs/`."""
