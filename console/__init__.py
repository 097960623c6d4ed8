"""Pages for property managers, street officials, the bureau and administrators."""
