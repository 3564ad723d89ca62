"""Engines of the activations, one file each, all with the same two functions.

``value(x, scale)`` is psi(scale * x) and ``slope(grad, x, scale)`` is
grad * scale * psi'(scale * x). Both are pure: fresh contiguous output, input untouched.
"""
