"""Benchmarks: each prints a table with ratios and writes it where it is told to."""
