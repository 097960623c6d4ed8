"""The commands of `anju`, one module a group."""
