"""Notices of alerts: recipients, timing, wording, and delivery over channels."""
