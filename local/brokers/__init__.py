"""The brokers that Anju can run, one file each."""
