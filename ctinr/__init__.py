"""Sparse-view computed tomography with neural fields, beside FBP and TV."""
