"""Benchmarks: each prints its figures as `name: value` (make bench NAME=...)."""
