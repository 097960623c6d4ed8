"""Maintenance rules: definitions, checking, conditions and the state machine. Pure."""
