"""A module for each destination: what it declares, and how it speaks to the service."""
