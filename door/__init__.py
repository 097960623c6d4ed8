"""The door: answers for every device whether it may connect to the broker, and what it may publish."""
