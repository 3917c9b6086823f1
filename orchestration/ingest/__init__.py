"""Loads what source systems deliver into typed raw tables."""
