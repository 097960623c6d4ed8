"""Accounts of people and keys of programs: who a request comes from, and what that account may see and do."""
