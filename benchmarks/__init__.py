"""Measurements one command can repeat: `python -m benchmarks`, or one of its modules."""
