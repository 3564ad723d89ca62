from __future__ import annotations

import h5py
import numpy as np
import pytest
import scipy.io

from ctinr.data import read_scan, reader_of
from ctinr.geometry import FanBeam
from ctinr.projectors import Projector
from ctinr.recon.fbp import fbp
from tests.data import fans

VIEWS, BINS, PITCH, SOURCE, WHOLE = 180, 96, 1.0, 410.66, 553.74
DEGREES = np.arange(VIEWS) * 2.0
EXACT = fans.sinogram(np.deg2rad(DEGREES), BINS, PITCH, source=SOURCE, behind=WHOLE - SOURCE)
PARAMETERS = {
    "angles": DEGREES,
    "distanceSourceOrigin": SOURCE,
    "distanceSourceDetector": WHOLE,
    "distanceUnit": "mm",
    "pixelSizePost": PITCH,
    "numDetectorsPost": float(BINS),
}


def write(path, *, name="CtDataFull", sinogram=EXACT, **changes):
    parameters = {key: value for key, value in (PARAMETERS | changes).items() if value is not None}
    scipy.io.savemat(path, {name: {"sinogram": sinogram, "parameters": parameters}})


def write_hdf5(path):
    """As MATLAB does with -v7.3: HDF5 behind a header of its own, arrays column by column."""
    with h5py.File(path, "w", userblock_size=512) as file:
        group = file.create_group("CtDataLimited/parameters")
        file["CtDataLimited/sinogram"] = EXACT.T
        for key, value in PARAMETERS.items():
            if isinstance(value, str):
                group[key] = np.array([[ord(letter)] for letter in value], dtype=np.uint16)
                group[key].attrs["MATLAB_class"] = np.bytes_("char")
            else:
                group[key] = np.atleast_2d(value).T
        file.create_group("#refs#")
    content = bytearray(path.read_bytes())
    content[:128] = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(116) + bytes(12)
    path.write_bytes(content)


@pytest.fixture
def path(tmp_path):
    write(tmp_path / "a.mat")
    return tmp_path / "a.mat"


def test_the_geometry_is_that_of_the_file(path):
    assert reader_of(path).name == "Helsinki Tomography Challenge scan (mat)"
    scan = read_scan(path)
    beam = scan.geometry
    assert isinstance(beam, FanBeam)
    assert beam.source_distance == SOURCE
    assert beam.detector_distance == pytest.approx(143.08)
    assert (beam.detector.shape, beam.detector.pitch, beam.detector.offset) == (
        (BINS,),
        (1.0,),
        (0.0,),
    )
    assert not beam.curved
    np.testing.assert_allclose(beam.angles, np.pi - np.deg2rad(DEGREES))
    np.testing.assert_allclose(scan.sinogram, EXACT[:, ::-1], rtol=1e-6)
    assert scan.grid.spacing[0] == pytest.approx(SOURCE / WHOLE)
    assert scan.warnings() == ()


def test_the_picture_has_the_rows_of_astra(path):
    scan = read_scan(path)
    image = fbp(Projector(scan.geometry, scan.grid, backend="torch"), scan.sinogram).image
    for x, y, _, value in fans.DISKS:
        assert fans.value_at(scan, image, x, y) == pytest.approx(value, rel=0.05)
        assert abs(fans.value_at(scan, image, x, -y)) < 0.2 * value
        assert abs(fans.value_at(scan, image, -x, y)) < 0.2 * value


def test_a_file_of_version_7_3_is_the_same(path, tmp_path):
    write_hdf5(tmp_path / "b.mat")
    first, second = read_scan(path), read_scan(tmp_path / "b.mat")
    assert second.geometry == first.geometry
    assert np.array_equal(first.sinogram, second.sinogram)


def test_other_units_and_an_axis_beside_the_middle(tmp_path):
    write(
        tmp_path / "a.mat",
        distanceUnit="cm",
        distanceSourceOrigin=SOURCE / 10,
        distanceSourceDetector=WHOLE / 10,
        pixelSizePost=PITCH / 10,
    )
    assert read_scan(tmp_path / "a.mat").geometry.source_distance == pytest.approx(SOURCE)
    # Two bins to the right in the file's order are two to the left in ours.
    scan = read_scan(tmp_path / "a.mat", center=47.5 + 2)
    assert scan.geometry.detector.offset[0] == pytest.approx(2.0)


@pytest.mark.parametrize("name", ["angles", "distanceSourceOrigin", "pixelSizePost"])
def test_a_missing_field_is_named(tmp_path, name):
    write(tmp_path / "a.mat", **{name: None})
    with pytest.raises(ValueError, match=rf"field CtDataFull\.parameters\.{name}; got '.*a\.mat'"):
        read_scan(tmp_path / "a.mat")


@pytest.mark.parametrize(
    "changes, rule",
    [
        ({"angles": np.deg2rad(DEGREES)}, "angles is in degrees; got '.*' with angles up to 6.24"),
        ({"angles": DEGREES[:-1]}, "angles for every view in .* one angle for each of the 180"),
        ({"distanceSourceOrigin": -1.0}, "distanceSourceOrigin is a positive length"),
        ({"distanceUnit": "furlong"}, "distanceSourceOrigin is a positive length; .* furlong"),
        ({"distanceSourceDetector": 400.0}, "distanceSourceDetector is at least distanceSourceOr"),
        ({"sinogram": np.where(EXACT > 0.2, np.nan, EXACT)}, "usable field CtDataFull.sinogram"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, changes, rule):
    write(tmp_path / "a.mat", **changes)
    with pytest.raises(ValueError, match=rule):
        read_scan(tmp_path / "a.mat")


def test_a_damaged_file_is_named(path):
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(OSError, match=r"must name a whole mat file; got '.*a\.mat'"):
        read_scan(path)


def test_a_mat_file_of_something_else_is_not_known(tmp_path):
    scipy.io.savemat(tmp_path / "a.mat", {"x": 1.0})
    with pytest.raises(ValueError, match="`path` must name one of: ctinr scan"):
        read_scan(tmp_path / "a.mat")
