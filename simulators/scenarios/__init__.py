"""Scenarios with known truth: what happens to a small community, and the alerts that must come of it, and no others.

One file a scenario: `<name>.yaml`. `docs/simulators.md` says how to add one.
"""
