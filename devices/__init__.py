"""What is true of a device: its kinds, topics and payloads. Pure: no I/O, no clock."""
