"""The terms of a rule: samples, conditions, calendars, durations, device groups and texts for people."""
