"""Instances that share a PostgreSQL database act as one group."""
