"""Exports: syncs of audiences to destinations."""
