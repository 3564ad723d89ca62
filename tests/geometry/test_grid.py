"""Grids: where cells are, in mm and as a network sees them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from ctinr.geometry import Grid

GRIDS = [
    Grid((7,), 0.25),
    Grid((4, 6)),
    Grid((5, 3), (0.1, 2.5), (-7.0, 1 / 3)),
    Grid((2, 3, 4), (1.0, 2.0, 0.5), 4.0),
]
EVERY = pytest.mark.parametrize("grid", GRIDS, ids=repr)


@EVERY
def test_a_grid_is_what_its_repr_and_its_dictionary_say(grid):
    assert eval(repr(grid)) == grid
    assert Grid.from_dict(grid.to_dict()) == grid
    assert hash(eval(repr(grid))) == hash(grid)
    assert grid != Grid(grid.shape, 17.0)


def test_plain_values_are_kept_whatever_was_given():
    grid = Grid([np.int32(3), 4], np.float32(0.5), [np.float64(1), 2])
    assert repr(grid) == "Grid(shape=(3, 4), spacing=(0.5, 0.5), center=(1.0, 2.0))"
    assert grid == Grid(torch.Size((3, 4)), (0.5, 0.5), (1.0, 2.0))


def test_centers_and_sides():
    grid = Grid((3, 4), (2.0, 0.5), (10.0, -1.0))
    assert grid.cell_centers(0).tolist() == [8.0, 10.0, 12.0]
    assert grid.cell_centers(1).tolist() == [-1.75, -1.25, -0.75, -0.25]
    assert grid.extent == (6.0, 2.0)
    assert grid.cell_measure == 1.0


@EVERY
def test_coordinates_reach_from_edge_to_edge_of_the_longest_side(grid):
    coordinates = grid.coordinates(dtype=torch.float64).numpy()
    assert coordinates.shape == (*grid.shape, len(grid.shape))
    half = max(grid.extent) / 2
    for axis, (n, spacing) in enumerate(zip(grid.shape, grid.spacing, strict=True)):
        along = np.moveaxis(coordinates[..., axis], axis, -1)
        assert (along == along.reshape(-1, n)[0]).all(), "the last axis is in array order"
        step = spacing / half
        # isotropy: a millimetre is as long along each axis
        assert np.diff(along) == pytest.approx(step)
        edges = along.min() - step / 2, along.max() + step / 2
        reach = grid.extent[axis] / max(grid.extent)
        assert edges == pytest.approx((-reach, reach))


def test_coordinates_have_the_dtype_and_device_asked_for():
    given = Grid((2, 3)).coordinates("cpu", torch.float64)
    assert (given.dtype, given.device.type) == (torch.float64, "cpu")
    assert Grid((2, 3)).coordinates().dtype == torch.float32
    assert Grid((2, 3)).coordinates("meta").device.type == "meta"


def test_coordinates_do_not_depend_on_where_the_grid_is():
    here, there = Grid((3, 5), 0.2), Grid((3, 5), 0.2, (100.0, -3.0))
    assert here.coordinates(dtype=torch.float64).numpy() == pytest.approx(
        there.coordinates(dtype=torch.float64).numpy(), abs=1e-13
    )


@EVERY
@pytest.mark.parametrize("factor", [1, 2, 3])
def test_a_refined_grid_has_the_same_edges(grid, factor):
    fine = grid.refine(factor)
    assert fine.extent == pytest.approx(grid.extent)
    assert fine.center == grid.center
    for axis, n in enumerate(grid.shape):
        blocks = fine.cell_centers(axis).reshape(n, factor).mean(axis=1)
        assert blocks == pytest.approx(grid.cell_centers(axis))


@EVERY
def test_coarsening_undoes_refining(grid):
    back = grid.refine(4).coarsen(4)
    assert (back.shape, back.center) == (grid.shape, grid.center)
    assert back.spacing == pytest.approx(grid.spacing)


def test_coarsening_covers_what_does_not_divide():
    coarse = Grid((7, 6), 0.5, (1.0, 2.0)).coarsen(4)
    assert coarse == Grid((2, 2), 2.0, (1.0, 2.0))


def test_a_slice_keeps_cells_where_they_are():
    grid = Grid((6, 9), (0.3, 1.1), (-2.0, 5.0))
    for selection in (np.s_[1:4, :], np.s_[2:], np.s_[:, -3:], np.s_[::2, 1::3], np.s_[5:6, 0:1]):
        part = grid[selection]
        slices = selection if isinstance(selection, tuple) else (selection, slice(None))
        for axis, kept in enumerate(slices):
            assert part.cell_centers(axis) == pytest.approx(grid.cell_centers(axis)[kept])
        assert part.shape == np.empty(grid.shape)[selection].shape
    assert grid[::2, 1::3].spacing == pytest.approx((0.6, 3.3))


@pytest.mark.parametrize(
    "selection", [0, (slice(None), 1), np.s_[:, :, :], ..., np.s_[4:2], np.s_[::-1], [True, False]]
)
def test_what_is_not_a_slice_of_cells_is_refused(selection):
    with pytest.raises(ValueError, match=r"`selection` must (be at most 2 slices|keep cells)"):
        Grid((4, 4))[selection]


@pytest.mark.parametrize(
    "arguments, kind, message",
    [
        ((5,), TypeError, "`shape` must be a tuple of whole numbers; got 5."),
        (((4, 2.5),), TypeError, "`shape` must be a whole number; got 2.5."),
        (((4, True),), TypeError, "`shape` must be a whole number; got True."),
        (((4, 0),), ValueError, "`shape` must be at least 1; got 0."),
        (((),), ValueError, r"`shape` must have 1, 2 or 3 axes; got \(\)."),
        (((1, 1, 1, 1),), ValueError, r"`shape` must have 1, 2 or 3 axes; got \(1, 1, 1, 1\)."),
        (((4, 4), -0.5), ValueError, "`spacing` must be above zero; got -0.5."),
        (((4, 4), (1.0, 0.0)), ValueError, "`spacing` must be above zero; got 0.0."),
        (((4, 4), math.nan), ValueError, "`spacing` must be finite; got nan."),
        (((4, 4), "wide"), TypeError, "`spacing` must be one real number; got 'wide'."),
        (
            ((4, 4), (1.0, 2.0, 3.0)),
            ValueError,
            r"`spacing` must be one number or one for each of the 2 axes; got \(1.0, 2.0, 3.0\).",
        ),
        (((4, 4), 1.0, (0.0, math.inf)), ValueError, "`center` must be finite; got inf."),
    ],
)
def test_what_is_no_grid_is_refused(arguments, kind, message):
    with pytest.raises(kind, match=f"^{message}$"):
        Grid(*arguments)


@pytest.mark.parametrize("method", ["coarsen", "refine"])
@pytest.mark.parametrize("factor, kind", [(0, ValueError), (1.5, TypeError)])
def test_factors_are_whole_numbers(method, factor, kind):
    with pytest.raises(kind, match="`factor` must be"):
        getattr(Grid((4, 4)), method)(factor)


def test_a_grid_cannot_be_changed():
    with pytest.raises(AttributeError):
        Grid((4, 4)).shape = (5, 5)
