"""Segments that a business user writes as rules: language, helpers, measures, compiler, check."""
