"""Engines of the activations, one file each, all with the same two functions.

``value(x, scale, bias, dtype)`` is psi(scale * (x + bias)) and ``slope(grad, x, scale, bias,
dtype)`` is grad * scale * psi'(scale * (x + bias)). Both are pure: fresh contiguous output of that
dtype, input untouched.
"""
