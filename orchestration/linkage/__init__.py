"""Probabilistic linkage with Splink: which customers are one person, though they share nothing."""
