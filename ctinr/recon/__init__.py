"""Turning data into an image: one driver, each method an iterator of steps."""
