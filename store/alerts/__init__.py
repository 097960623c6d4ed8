"""Alerts and their transitions, the durable state of rules, suppression and maintenance windows."""
