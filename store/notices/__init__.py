"""Notices to people, their statistics, and the job queue that carries them."""
