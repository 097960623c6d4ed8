"""Repeatable measurements: `python -m benchmarks`, or one of its modules."""
