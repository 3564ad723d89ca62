"""Plug-and-play: least squares in turns with a denoiser, here non-local Bayes.

The alternating direction method of multipliers (ADMM) splits a reconstruction in two: one step
asks the data and knows nothing of images, the other takes noise off an image and knows nothing of
projections. Any denoiser can be plugged in; none says what is minimised, but where the two steps
agree, the image explains the data as well as their noise allows and looks free of noise.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import islice

import torch
from torch import Tensor

from ctinr import checks
from ctinr.operators import LinearOperator
from ctinr.recon.cgls import cgls_steps
from ctinr.recon.nonlocal_bayes import groups_of, shrunk
from ctinr.recon.problem import check_data, first_image, grid_of
from ctinr.recon.rough import guessed_image, value_scale
from ctinr.recon.run import Observer, Reconstruction, Step, last_step, run

ITERATIONS = 24
# Iterations of conjugate gradients in each step; they go on where those before ended.
INNER = 6
# Patches that look alike are sought again after so many steps.
SOUGHT_AGAIN = 4
# What the denoiser takes for noise in the first and in the last step, as parts of a typical large
# value. It is the length of the steps more than the strength of the prior, which the variance of
# the rays decides: long ones find what is coarse, short ones do not take fine detail for noise.
FIRST, LAST = 0.08, 0.015


def pnp(  # noqa: PLR0913 - one keyword for each thing that a reader may want to set
    A: LinearOperator,
    y: Tensor,
    *,
    variance: float,
    iterations: int = ITERATIONS,
    first: float = FIRST,
    last: float = LAST,
    initial: Tensor | None = None,
    observers: Sequence[Observer] = (),
) -> Reconstruction:
    """Reconstruct with a non-local prior: plug-and-play ADMM with `nonlocal_bayes`.

    Parameters
    ----------
    A : LinearOperator
        The forward model; its domain is a `Grid`. Volumes are denoised slice by slice.
    y : Tensor, shape (*batch, *A.range.shape)
        Line integrals, without unit.
    variance : float
        Of the noise of a line integral, above zero: 1 / N after N photons. The larger it is, the
        stronger the prior.
    iterations : int
        How many to take, at least 2; each costs some seven A and Aᵀ.
    first, last : float
        What the denoiser takes for noise in the first and in the last of them, above zero, as parts
        of a typical large value of the image. Small ones only touch up an image.
    initial : Tensor, optional
        Where to start, (*batch, *A.domain.shape); a better image saves iterations. By default
        the analytic one, or some iterations of `cgls` where there is none.
    observers : sequence of Observer
        See every step.

    Returns
    -------
    Reconstruction
        Images of shape (*batch, *A.domain.shape), 1/mm, at or above zero.

    Raises
    ------
    TypeError
        If the domain of A is not a Grid, or y or initial are not tensors of floating-point numbers.
    ValueError
        If y does not fit A, is empty or not finite, or the variance, `first` or `last` is not above
        zero.

    References
    ----------
    Venkatakrishnan, Bouman, Wohlberg 2013, doi:10.1109/GlobalSIP.2013.6737048. Lebrun, Buades,
    Morel 2013, doi:10.1137/120874989.
    """
    check_data(A, y)
    grid_of(A)
    start = guessed_image(A, y) if initial is None else first_image(A, y, initial)
    checks.count(iterations, "iterations", least=2)
    for name, part in (("first", first), ("last", last)):
        checks.positive(part, name)
    parts, scale = falling(iterations, first=first, last=last), value_scale(start)
    deviations = tuple(scale * part for part in parts)
    steps = pnp_steps(A, y, variance=variance, deviations=deviations, initial=start)
    parameters = {"variance": variance, "iterations": iterations, "first": first, "last": last}
    return run(steps, iterations, observers, method="plug-and-play", parameters=parameters)


def falling(iterations: int, *, first: float = FIRST, last: float = LAST) -> tuple[float, ...]:
    """Return deviations that fall from the first to the last by one factor from step to step."""
    return tuple(first * (last / first) ** (step / (iterations - 1)) for step in range(iterations))


def pnp_steps(
    A: LinearOperator, y: Tensor, *, variance: float, deviations: Sequence[float], initial: Tensor
) -> Iterator[Step]:
    """Return the steps of `pnp`; their loss is ½ ‖A x − y‖² of the least-squares step, and more.

    Parameters
    ----------
    A, y, variance, initial
        As for `pnp`.
    deviations : sequence of float
        What the denoiser takes for noise in each step, 1/mm.
    """
    checks.positive(variance, "variance")
    return _iterate(A, y, initial.clamp(min=0), math.sqrt(variance), deviations)


@torch.no_grad()
def _iterate(
    A: LinearOperator, y: Tensor, image: Tensor, of_rays: float, deviations: Sequence[float]
) -> Iterator[Step]:
    explained, dual, before = image, torch.zeros_like(image), deviations[0]
    for index, deviation in enumerate(deviations):
        # The multiplier stays, and it is the dual variable divided by the square.
        dual, before = dual * (deviation / before) ** 2, deviation
        wanted = image - dual
        # argmin ‖A x − y‖² / of_rays² + ‖x − wanted‖² / deviation², as what is to be added.
        given = {"damping": of_rays / deviation, "initial": explained - wanted}
        least_squares = last_step(islice(cgls_steps(A, y - A(wanted), **given), INNER))
        explained = wanted + least_squares.image
        noisy = explained + dual
        if index % SOUGHT_AGAIN == 0:
            groups = groups_of(noisy)
        image = shrunk(noisy, groups, deviation).clamp_(min=0)
        dual = noisy - image
        yield Step(index + 1, least_squares.loss, image)
