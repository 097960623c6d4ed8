"""Notices to people, their statistics, and the job queue."""
