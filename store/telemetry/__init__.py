"""Readings, events and rejections of devices: tables, writing, reading, history and evidence."""
