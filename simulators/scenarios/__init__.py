"""Scenarios with known truth: faults in a small community, and exactly the alerts that must be raised.

Each scenario is one file, `<name>.yaml`; `docs/simulators.md` describes how to add one.
"""
