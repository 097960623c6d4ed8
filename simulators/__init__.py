"""The physics of each device kind, fleets, faults, and replay of recorded data."""
