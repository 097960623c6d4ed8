"""Devices: kinds, topics and payloads. Pure: no I/O, no clock."""
