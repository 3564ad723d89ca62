"""The projector as an object: what it is made of, what it says, what it refuses."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from ctinr.geometry import Detector, Grid, ParallelBeam, equal_angles
from ctinr.projectors import BACKENDS, Projector, registry
from tests.vectors import close, noise

GEOMETRY, GRID = ParallelBeam(equal_angles(6), Detector(9, 0.8)), Grid((5, 7), (1.0, 0.9))


def test_its_spaces_are_the_grid_and_the_geometry():
    A = Projector(GEOMETRY, GRID)
    assert (A.domain, A.range, A.geometry) == (GRID, GEOMETRY, GEOMETRY)
    assert A(torch.ones(5, 7)).shape == GEOMETRY.shape == (6, 9)


def test_the_choice_of_auto_is_visible(monkeypatch):
    named = "Projector(6 views x 9 bins, Grid(shape=(5, 7), spacing=(1.0, 0.9), center=(0.0, 0.0))"
    assert repr(Projector(GEOMETRY, GRID, "torch")) == f"{named}, backend=torch)"
    assert repr(Projector(GEOMETRY, GRID)) == f"{named}, backend=auto: numba on the CPU)"
    plain = tuple(backend for backend in BACKENDS if backend.name == "torch")
    monkeypatch.setattr(registry, "BACKENDS", plain)
    assert repr(Projector(GEOMETRY, GRID)) == f"{named}, backend=auto: torch on the CPU)"


def test_auto_is_the_engine_that_it_says():
    x = noise(*GRID.shape, dtype=torch.float32)
    assert Projector(GEOMETRY, GRID)(x).equal(Projector(GEOMETRY, GRID, "numba")(x))


@pytest.mark.parametrize("backend", ["auto", "torch"])
@pytest.mark.parametrize("selection", [np.s_[::2], [4, 1], np.array([True] * 2 + [False] * 4)])
def test_some_views_are_those_rows_of_the_sinogram(selection, backend):
    A = Projector(GEOMETRY, GRID, backend)
    x = noise(*GRID.shape)
    part = A.restricted(selection)
    assert part.geometry == GEOMETRY[selection]
    assert close(part(x), A(x)[selection])
    assert repr(part).endswith(repr(A)[-12:])


def test_a_rebuilt_projector_keeps_the_engine():
    other, fine = ParallelBeam([0.2], Detector(3)), GRID.refine(2)
    A = Projector(GEOMETRY, GRID, "torch").rebuilt(other, fine)
    assert (A.geometry, A.domain) == (other, fine)
    assert repr(A).endswith("backend=torch)")


def test_a_copy_gives_the_same():
    A = Projector(GEOMETRY, GRID)
    x = noise(*GRID.shape)
    y = A(x)
    assert copy.deepcopy(A)(x).equal(y)


def test_views_of_another_order_are_those_rows():
    """The views are sorted by driving axis inside; the sinogram must not be."""
    x = noise(*GRID.shape)
    order = [3, 0, 5, 1, 4, 2]
    for backend in ("numba", "torch"):
        A = Projector(GEOMETRY, GRID, backend)
        assert close(A.restricted(order)(x), A(x)[order])
        y = noise(*GEOMETRY.shape)
        back = A.restricted(order).T(y[order])
        assert close(back, A.T(y))


@pytest.mark.parametrize(
    "arguments, kind, message",
    [
        (
            (GRID, GRID),
            TypeError,
            r"^`geometry` must be a ParallelBeam, FanBeam, ConeBeam or VectorBeam; got Grid.*\.$",
        ),
        ((GEOMETRY, (5, 7)), TypeError, r"^`grid` must be a Grid; got \(5, 7\)\.$"),
        (
            (GEOMETRY, Grid((2, 5, 7))),
            ValueError,
            r"^`grid` must have two axes, for a line of bins; got \(2, 5, 7\)\.$",
        ),
        (
            (GEOMETRY, Grid((5,))),
            ValueError,
            r"^`grid` must have two axes, for a line of bins; got \(5,\)\.$",
        ),
    ],
)
def test_what_is_no_scan_of_an_image_is_refused(arguments, kind, message):
    with pytest.raises(kind, match=message):
        Projector(*arguments)


def test_an_image_of_another_grid_is_refused():
    A = Projector(GEOMETRY, GRID, "torch")
    with pytest.raises(ValueError, match=r"`x` must end with the shape \(5, 7\) of the domain of"):
        A(torch.ones(7, 5))
    with pytest.raises(ValueError, match=r"`x` must end with the shape \(6, 9\) of the domain of"):
        A.T(torch.ones(9, 6))
