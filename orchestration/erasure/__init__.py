"""Forgets people completely: docs/privacy.md."""
