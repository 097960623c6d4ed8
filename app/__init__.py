"""Settings, the `anju` command, and the wiring of the parts."""
