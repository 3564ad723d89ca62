"""Engines of the activations, one file each: of the wavelet all with the same two functions.

``value(x, scale, bias, dtype)`` is psi(scale * (x + bias)) and ``slope(grad, x, scale, bias,
dtype)`` is grad * scale * psi'(scale * (x + bias)). Both are pure: fresh contiguous output of that
dtype, input untouched. `linear_wavelet_triton` is of another kind: a linear layer and the wavelet
after it, with `value`, `grad_input` and `grad_parameters`.
"""
