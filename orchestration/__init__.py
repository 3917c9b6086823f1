"""Runs the project: Dagster definitions, loading, checks, publishing, the demo group."""
