"""Files of every kind of beam: they come back as they were, and damage in them is told."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import torch

from ctinr.data import read_hdf5_scan, read_scan, write_scan
from ctinr.geometry import Detector, FanBeam, Grid
from tests.data.scans import BEAMS, PLANAR, of_beam
from tests.data.test_hdf5_damage import put

# Between them they have every field that there is.
WIDER = ("vectors", "parallel-3d", "helix", "parallel-vectors-3d")


@pytest.fixture(params=WIDER)
def path(request, tmp_path):
    path = tmp_path / f"{request.param}.h5"
    write_scan(path, of_beam(request.param))
    return path


def fields_of(path):
    """Return the names of all numbers of a file but the metadata."""
    names: list[str] = []
    with h5py.File(path) as file:
        file.visit(names.append)
        return [n for n in names if isinstance(file[n], h5py.Dataset) and "metadata" not in n]


@pytest.mark.parametrize("kind", BEAMS)
@pytest.mark.parametrize("dtype", [torch.float64])
def test_every_geometry_comes_back_bit_for_bit(tmp_path, kind, dtype):
    scan = of_beam(kind, dtype, photons=(0.1, 1 / 3, 3.0, 4.0, 5.0, 6.0, 7.0))
    write_scan(tmp_path / "a.h5", scan)
    back = read_scan(tmp_path / "a.h5")
    assert back.geometry == scan.geometry and type(back.geometry) is type(scan.geometry)
    assert back.grid == scan.grid
    assert torch.equal(back.sinogram, scan.sinogram) and back.sinogram.dtype == dtype
    assert torch.equal(back.truth, scan.truth) and back.truth.dtype == dtype
    assert dict(back.metadata) == dict(scan.metadata)


@pytest.mark.parametrize("kind", BEAMS)
def test_views_of_a_file_are_those_of_the_scan(tmp_path, kind):
    scan = of_beam(kind, photons=tuple(range(1, 8)))
    write_scan(tmp_path / "a.h5", scan)
    part = read_scan(tmp_path / "a.h5", num_views=3)
    assert part.geometry == scan.geometry[[0, 2, 5]]
    assert part.metadata["photons"] == (1, 3, 6)


@pytest.mark.parametrize("kind", BEAMS)
def test_the_version_is_the_least_that_can_hold_it(tmp_path, kind):
    write_scan(tmp_path / "a.h5", of_beam(kind))
    write_scan(tmp_path / "b.h5", of_beam(kind, photons=tuple(range(1, 8))))
    versions = [h5py.File(tmp_path / name).attrs["version"] for name in ("a.h5", "b.h5")]
    assert versions == [1 if kind in PLANAR else 2, 2]


def test_a_file_says_what_its_fields_are(tmp_path):
    write_scan(tmp_path / "helix.h5", of_beam("helix"))
    write_scan(tmp_path / "vectors.h5", of_beam("parallel-vectors-3d"))
    with h5py.File(tmp_path / "helix.h5") as file:
        assert file["sinogram"].attrs["axes"] == b"angle v u"
        assert file["truth"].attrs["axes"] == b"z y x"
        assert dict(file["geometry"].attrs) == {"beam": b"cone", "detector": b"flat"}
        assert file["geometry/helical_pitch"][()] == [-1 / 3]
        assert file["geometry/helical_pitch"].attrs["units"] == b"mm"
    with h5py.File(tmp_path / "vectors.h5") as file:
        assert dict(file["geometry"].attrs) == {"beam": b"vectors", "rays": b"parallel"}
        units = {name: file[f"geometry/{name}"].attrs["units"] for name in ("origins", "centers")}
        assert units == {"origins": b"1", "centers": b"mm"}
        assert file["geometry/v_axes"].shape == (7, 3)


@pytest.mark.parametrize("fan", [False, True])
def test_a_file_of_the_first_version_is_read(tmp_path, fan):
    """Built field by field as programs of that version wrote it, whatever is written today."""

    def field(file, name, values, units):
        file[name] = values
        file[name].attrs["units"] = units

    random = np.random.default_rng(0)
    angles, sinogram = random.uniform(-3, 3, 4), random.random((4, 5), np.float32)
    with h5py.File(tmp_path / "old.h5", "w") as file:
        file.attrs.update({"format": np.bytes_("ctinr-scan"), "version": 1})
        field(file, "sinogram", sinogram, "1")
        field(file, "geometry/angles", angles, "rad")
        field(file, "geometry/detector/shape", [5], "1")
        field(file, "geometry/detector/pitch", [0.3], "mm")
        field(file, "geometry/detector/offset", [0.1], "mm")
        file["geometry"].attrs["beam"] = np.bytes_("fan" if fan else "parallel")
        if fan:
            file["geometry"].attrs["detector"] = np.bytes_("curved")
            field(file, "geometry/source_distance", [9.0], "mm")
            field(file, "geometry/detector_distance", [4.0], "mm")
        field(file, "grid/shape", [2, 3], "1")
        field(file, "grid/spacing", [0.5, 0.4], "mm")
        field(file, "grid/center", [0.0, 1.0], "mm")
        file["metadata/photons"] = 1e4
    scan = read_scan(tmp_path / "old.h5")
    assert torch.equal(scan.sinogram, torch.as_tensor(sinogram))
    assert scan.geometry.angles == tuple(angles.tolist())
    assert scan.geometry.detector == Detector(5, 0.3, 0.1)
    assert isinstance(scan.geometry, FanBeam) == fan
    if fan:
        assert scan.geometry == FanBeam(angles, Detector(5, 0.3, 0.1), 9.0, 4.0, curved=True)
    assert scan.grid == Grid((2, 3), (0.5, 0.4), (0.0, 1.0))
    assert dict(scan.metadata) == {"photons": 1e4} and scan.truth is None


# ------------------------------------------------------------------ damage


def test_any_missing_field_is_named(path):
    whole = path.read_bytes()
    for name in set(fields_of(path)) - {"truth"}:
        path.write_bytes(whole)
        with h5py.File(path, "r+") as file:
            del file[name]
        with pytest.raises(ValueError, match=rf"the field /{name}; got '.*{path.name}' without it"):
            read_scan(path)


def test_any_field_in_another_unit_is_named(path):
    whole = path.read_bytes()
    for name in fields_of(path):
        path.write_bytes(whole)
        with h5py.File(path, "r+") as file:
            file[name].attrs["units"] = "furlong"
        with pytest.raises(ValueError, match=rf"field /{name} has the units .* with 'furlong'"):
            read_scan(path)


@pytest.mark.parametrize("values", [np.nan, 1 + 2j, np.zeros((0,)), np.zeros((1, 2, 2))])
def test_any_field_of_other_values_is_named(path, values):
    whole = path.read_bytes()
    for name in fields_of(path):
        path.write_bytes(whole)
        put(path, name, values)
        with pytest.raises((ValueError, TypeError), match=r"^`path` must name a file") as error:
            read_scan(path)
        told = str(error.value)
        # A detector that another field's shape does not fit is the one that is named.
        assert path.name in told and (f"/{name}" in told or "/sinogram" in told), told


@pytest.mark.parametrize(
    ("kind", "name", "values", "rule"),
    [
        ("cone-flat", "geometry/source_distance", [-1.0], "`source_distance` must be above zero"),
        ("helix", "geometry/helical_pitch", [1.0, 2.0], "holds one number; got"),
        ("vectors", "geometry/u_axes", np.ones((7, 2)), "`u_axes` must be unit vectors"),
        ("vectors-3d", "geometry/origins", np.ones((6, 3)), "`centers` must have one for each of"),
        ("vectors-3d", "geometry/v_axes", np.ones((7, 2)), r"`v_axes` must have the shape"),
        ("cone-flat", "geometry/detector/shape", [9, 4], r"`sinogram` must have the shape"),
        ("parallel-3d", "grid/shape", [5, 6, 3], r"`truth` must have the shape \(5, 6, 3\)"),
    ],
)
def test_what_is_wrong_is_said_with_the_field(tmp_path, kind, name, values, rule):
    write_scan(tmp_path / "a.h5", of_beam(kind))
    put(tmp_path / "a.h5", name, values)
    with pytest.raises(ValueError, match=f"^`path` must name a file .*{rule}") as error:
        read_scan(tmp_path / "a.h5")
    assert "a.h5" in str(error.value)


def test_a_line_of_bins_in_a_cone_is_told_with_the_field(tmp_path):
    write_scan(tmp_path / "a.h5", of_beam("cone-flat"))
    for name in ("shape", "pitch", "offset"):
        put(tmp_path / "a.h5", f"geometry/detector/{name}", [4])
    rule = r"valid field /geometry/detector; got '.*a\.h5'\. `detector` must be an area"
    with pytest.raises(ValueError, match=rule):
        read_scan(tmp_path / "a.h5")


def test_a_grid_of_another_dimension_is_told_with_the_field(tmp_path):
    write_scan(tmp_path / "a.h5", of_beam("vectors"))
    for name in ("shape", "spacing", "center"):
        put(tmp_path / "a.h5", f"grid/{name}", [4, 4, 4])
    with pytest.raises(ValueError, match=r"valid field /grid; .* `grid` must have two axes"):
        read_scan(tmp_path / "a.h5")


def test_photons_that_do_not_fit_are_told_with_the_field(tmp_path):
    write_scan(tmp_path / "a.h5", of_beam("helix"))
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        del file["metadata/photons"]
        file["metadata/photons"] = [1.0, 2.0]
    with pytest.raises(ValueError, match=r"field /metadata/photons; got '.*a\.h5'.*got 2 of them"):
        read_scan(tmp_path / "a.h5")


@pytest.mark.parametrize("word", ["rays", "beam"])
def test_an_attribute_that_is_unknown_is_told(tmp_path, word):
    write_scan(tmp_path / "a.h5", of_beam("vectors"))
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file["geometry"].attrs[word] = "bent"
    with pytest.raises(ValueError, match=rf"/geometry `{word}` is .*; got '.*a\.h5' with 'bent'"):
        read_scan(tmp_path / "a.h5")


@pytest.mark.slow
def test_bytes_that_were_changed_are_noticed(path):
    """Whatever a wrong byte does, the scan is the same or an error names the file."""
    whole, wanted = path.read_bytes(), read_hdf5_scan(path)
    random, noticed = np.random.default_rng(0), 0
    for place in random.integers(len(whole), size=60):
        content = bytearray(whole)
        content[place] ^= int(random.integers(1, 256))
        path.write_bytes(content)
        try:
            back = read_hdf5_scan(path)
        except (ValueError, TypeError, OSError) as error:
            noticed += 1
            assert path.name in str(error)
            continue
        assert back.geometry == wanted.geometry and back.grid == wanted.grid
        assert torch.equal(back.sinogram, wanted.sinogram)
    assert noticed > 5
