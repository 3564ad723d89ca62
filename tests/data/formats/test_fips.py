from __future__ import annotations

import math

import h5py
import numpy as np
import pytest
import scipy.io
import scipy.sparse

from ctinr.data import read_scan, reader_of
from ctinr.projectors import Projector
from ctinr.recon.fbp import fbp

VIEWS, BINS, SIDE, SOURCE, BEHIND, PITCH = 60, 50, 40, 90.0, 60.0, 1.2
KNOWN = {"source_distance": SOURCE, "detector_distance": BEHIND, "pitch": PITCH}
SPACING = PITCH * BINS * SOURCE / (SOURCE + BEHIND) / SIDE


def system(first, direction, mirrored, *, views=VIEWS, bins=BINS, side=SIDE, lengths=KNOWN):
    """The matrix that samples rays, u fastest in its rows and the picture's rows in its columns."""
    source, behind = lengths["source_distance"], lengths["detector_distance"]
    spacing = lengths["pitch"] * bins * source / (source + behind) / side
    u = (np.arange(bins) - (bins - 1) / 2) * lengths["pitch"] * (-1 if mirrored else 1)
    rows, columns = [], []
    steps = np.linspace(source - spacing * side, source + spacing * side, 3 * side)
    for view in range(views):
        angle = first + direction * view * 2 * math.pi / views
        along, across = (
            np.array([-np.sin(angle), np.cos(angle)]),
            np.array([np.cos(angle), np.sin(angle)]),
        )
        for bin, place in enumerate(u):
            ray = along * (source + behind) + across * place
            points = -source * along + steps[:, None] * ray / np.linalg.norm(ray)
            cells = np.round(points / spacing + (side - 1) / 2).astype(int)
            x, y = cells[((cells >= 0) & (cells < side)).all(axis=1)].T
            columns.extend(x * side + y)
            rows.extend([view * bins + bin] * len(x))
    weights = np.full(len(rows), steps[1] - steps[0])
    return scipy.sparse.csc_array((weights, (rows, columns)), (views * bins, side**2))


def picture(side=SIDE):
    y, x = np.mgrid[:side, :side]
    return 0.05 * ((x - 0.7 * side) ** 2 + (y - 0.4 * side) ** 2 < (0.12 * side) ** 2)


def write(path, matrix, *, views=VIEWS, bins=BINS, side=SIDE, keep=True):
    m = (matrix @ picture(side).ravel(order="F")).reshape((bins, views), order="F")
    scipy.io.savemat(path, {"m": m, **({"A": scipy.sparse.csc_matrix(matrix)} if keep else {})})
    return m


@pytest.mark.parametrize(
    "first, direction, mirrored",
    [(0.0, 1, False), (math.pi / 2, -1, True), (math.pi, -1, False), (3 * math.pi / 2, 1, True)],
)
def test_the_matrix_says_how_things_turn(tmp_path, first, direction, mirrored):
    path = tmp_path / "a.mat"
    m = write(path, system(first, direction, mirrored))
    scan = read_scan(path, **KNOWN)
    turn = first + direction * np.arange(VIEWS) * 2 * math.pi / VIEWS
    np.testing.assert_allclose(scan.geometry.angles, turn, atol=1e-12)
    np.testing.assert_allclose(scan.sinogram, m.T[:, ::-1] if mirrored else m.T, rtol=1e-6)
    image = fbp(Projector(scan.geometry, scan.grid, backend="torch"), scan.sinogram).image.numpy()
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    solid = image * (image > 0.025)
    place = [(solid * axis).sum() / solid.sum() for axis in (rows, columns)]
    middle = [(at / SIDE * BINS + (BINS / SIDE - 1) / 2) for at in (0.4 * SIDE, 0.7 * SIDE)]
    np.testing.assert_allclose(place, middle, atol=0.5)


def test_a_matrix_of_version_7_3_is_the_same(tmp_path):
    matrix = system(0.0, -1, True)
    m = write(tmp_path / "a.mat", matrix)
    with h5py.File(tmp_path / "b.mat", "w", userblock_size=512) as file:
        file["m"] = m.T
        group = file.create_group("A")
        group.attrs["MATLAB_sparse"] = np.uint64(matrix.shape[0])
        group["data"], group["ir"], group["jc"] = matrix.data, matrix.indices, matrix.indptr
    content = bytearray((tmp_path / "b.mat").read_bytes())
    content[:128] = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(128)
    (tmp_path / "b.mat").write_bytes(content)
    first, second = (read_scan(tmp_path / name, **KNOWN) for name in ("a.mat", "b.mat"))
    assert first.geometry == second.geometry
    assert np.array_equal(first.sinogram, second.sinogram)


def test_the_geometry_is_what_is_passed(tmp_path):
    write(tmp_path / "a.mat", system(0.0, 1, False))
    assert reader_of(tmp_path / "a.mat").name == "FIPS sinogram (mat)"
    beam = read_scan(tmp_path / "a.mat", **KNOWN).geometry
    assert (beam.source_distance, beam.detector_distance) == (90.0, 60.0)
    assert (beam.detector.shape, beam.detector.pitch, beam.detector.offset) == (
        (50,),
        (1.2,),
        (0.0,),
    )


def test_the_walnut_is_known(tmp_path):
    scipy.io.savemat(tmp_path / "Data82.mat", {"m": np.random.default_rng(0).random((82, 120))})
    scan = read_scan(tmp_path / "Data82.mat")
    beam = scan.geometry
    assert (beam.source_distance, beam.detector_distance) == (110.0, 190.0)
    assert beam.detector.extent[0] == pytest.approx(114.8)
    np.testing.assert_allclose(np.rad2deg(beam.angles), np.arange(120) * 3.0)
    assert scan.grid.extent[0] == pytest.approx(114.8 * 110 / 300)
    assert any("not known which way the angles run" in said for said in scan.warnings())


def test_an_axis_beside_the_middle_turns_with_the_bins(tmp_path):
    write(tmp_path / "a.mat", system(0.0, 1, True))
    scan = read_scan(tmp_path / "a.mat", center=24.5 + 2, **KNOWN)
    assert scan.geometry.detector.offset[0] == pytest.approx(2 * PITCH)


@pytest.mark.parametrize("name", KNOWN)
def test_lengths_are_never_guessed(tmp_path, name):
    write(tmp_path / "a.mat", system(0.0, 1, False), keep=False)
    given = {key: value for key, value in KNOWN.items() if key != name}
    with pytest.raises(ValueError, match=rf"`{name}` must be given for data that hold no lengths"):
        read_scan(tmp_path / "a.mat", **given)


def test_lengths_that_do_not_fit_the_matrix_are_refused(tmp_path):
    write(tmp_path / "a.mat", system(0.0, 1, False))
    with pytest.raises(ValueError, match=r"whose matrix A fits the distances.*bins off at best"):
        read_scan(tmp_path / "a.mat", **KNOWN | {"source_distance": 40.0})
    scipy.io.savemat(tmp_path / "b.mat", {"m": np.ones((50, 60)), "A": scipy.sparse.eye(9).tocsc()})
    with pytest.raises(
        ValueError, match=r"matrix A makes m of a square picture; got '.*' with \(9, 9\)"
    ):
        read_scan(tmp_path / "b.mat", **KNOWN)
