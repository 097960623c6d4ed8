"""Brokers that Anju can run, one file each."""
