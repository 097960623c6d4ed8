"""Commands of `anju`."""
