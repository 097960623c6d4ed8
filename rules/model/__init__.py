"""The terms of a rule: samples, conditions, calendars, durations, device groups and the words for people."""
