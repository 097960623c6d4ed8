"""The rule language: from a YAML file to checked rules, or to diagnostics with file and line."""
