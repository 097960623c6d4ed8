"""Alert rules: what a rule is, how it runs, how it is written and how it is looked back on. Pure: no I/O, no clock."""
