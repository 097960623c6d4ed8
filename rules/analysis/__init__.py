"""Retrospect: backtests, alarm load, and explanations of alerts and of rules that raised none."""
