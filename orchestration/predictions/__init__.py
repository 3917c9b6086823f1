"""Predictions: who will buy, when and how much, what to offer, and whom else to look for."""
