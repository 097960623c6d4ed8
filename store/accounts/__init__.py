"""SQL of accounts, their sessions and their API keys."""
