"""Import of communities, households and devices from files that people fill in."""
