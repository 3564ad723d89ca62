from __future__ import annotations

import subprocess
import sys

import h5py
import numpy as np
import pytest

from ctinr.data import read_hdf5_scan, read_scan, write_scan
from tests.data.scans import example, fan_example


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "scan.h5"
    write_scan(path, example())
    return path


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"`path` must name a file that exists; got '.*no\.h5'"
    ):
        read_scan(tmp_path / "no.h5")


@pytest.mark.parametrize("part", [0.3, 0.99])
def test_a_truncated_file_is_named(path, part):
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    with pytest.raises(OSError, match=r"must name a whole HDF5 file; got '.*scan\.h5' .*truncated"):
        read_scan(path)


@pytest.mark.parametrize("content", [b"", b"not HDF5 at all" * 100])
def test_a_file_that_only_has_the_name_is_named(tmp_path, content):
    (tmp_path / "a.h5").write_bytes(content)
    with pytest.raises(OSError, match=r"must name a whole HDF5 file; got '.*a\.h5'"):
        read_scan(tmp_path / "a.h5")


def test_a_damaged_field_is_named(path):
    with h5py.File(path) as file:
        where = file["sinogram"].id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[where + 5] ^= 0xFF
    path.write_bytes(content)
    rule = r"undamaged file; got '.*scan\.h5', whose field /sinogram cannot be read"
    with pytest.raises(OSError, match=rule):
        read_scan(path)


@pytest.mark.parametrize("name", ["grid/center", "geometry/angles", "metadata/photons"])
def test_a_field_of_zeros_with_a_checksum_of_zeros_is_named(path, name):
    """Which is what a lost sector of a disk looks like, and right to the library."""
    with h5py.File(path) as file:
        field = file[name]
        chunked = field.chunks is not None
        where = field.id.get_chunk_info(0).byte_offset if chunked else field.id.get_offset()
        size = field.size * 8 + (4 if chunked else 0)
    content = bytearray(path.read_bytes())
    content[where : where + size] = bytes(size)
    path.write_bytes(content)
    with h5py.File(path) as file:
        assert not np.any(file[name][()])
    rule = rf"undamaged file; got '.*scan\.h5', whose field /{name} is not what was written"
    with pytest.raises(OSError, match=rule):
        read_scan(path)


def test_a_field_that_was_changed_on_purpose_is_read(path):
    with h5py.File(path, "r+") as file:
        file["metadata/photons"][...] = 7.0
    with pytest.raises(OSError, match=r"on purpose, delete its attribute `crc32`\."):
        read_scan(path)
    with h5py.File(path, "r+") as file:
        del file["metadata/photons"].attrs["crc32"]
    assert read_scan(path).metadata["photons"] == 7.0


@pytest.mark.parametrize("name", ["sinogram", "metadata/photons"])
def test_a_field_without_values_is_named(path, name):
    with h5py.File(path, "r+") as file:
        del file[name]
        file[name] = h5py.Empty("f4")
    with pytest.raises(ValueError, match=rf"field /{name} holds something; got '.*scan\.h5' with"):
        read_scan(path)


def test_metadata_that_are_not_plain_are_named(path):
    with h5py.File(path, "r+") as file:
        del file["metadata/photons"]
        file["metadata/photons"] = np.zeros(3, dtype="c8")
    with pytest.raises(TypeError, match=r"valid field /metadata/photons; got '.*scan\.h5'"):
        read_scan(path)


@pytest.mark.parametrize("error", [RuntimeError("bad heap"), KeyError("link"), MemoryError()])
def test_whatever_the_library_says_names_the_file(path, monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr("h5py.Group.get", fail)
    with pytest.raises(OSError, match=r"must name a whole HDF5 file; got '.*scan\.h5'"):
        read_hdf5_scan(path)


def test_a_foreign_file_is_told_what_it_lacks(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["image"] = np.zeros(3)
    rule = r"'.*a\.h5', which has neither the attribute `format` = 'ctinr-scan' nor the field "
    with pytest.raises(ValueError, match=rule + "/exchange/data.*Known are: ctinr scan"):
        read_scan(tmp_path / "a.h5")
    with pytest.raises(ValueError, match=r"`format` is 'ctinr-scan'; got '.*a\.h5' with None"):
        read_hdf5_scan(tmp_path / "a.h5")


def test_a_newer_schema_is_refused(path):
    with h5py.File(path, "r+") as file:
        file.attrs["version"] = 3
    with pytest.raises(
        ValueError, match=r"version 2 at most; got '.*scan\.h5' of version 3. Update"
    ):
        read_scan(path)


@pytest.mark.parametrize("version", [None, "one"])
def test_a_schema_without_version_is_refused(path, version):
    with h5py.File(path, "r+") as file:
        del file.attrs["version"]
        if version:
            file.attrs["version"] = version
    with pytest.raises(ValueError, match=r"`version` is a whole number; got '.*scan\.h5' with"):
        read_scan(path)


FIELDS = ["sinogram", "geometry/angles", "geometry/detector/shape", "grid/center"]


@pytest.mark.parametrize("name", FIELDS)
def test_a_missing_field_is_named(path, name):
    with h5py.File(path, "r+") as file:
        del file[name]
    with pytest.raises(ValueError, match=rf"the field /{name}; got '.*scan\.h5' without it"):
        read_scan(path)


@pytest.mark.parametrize("name", [*FIELDS, "truth"])
def test_a_field_in_another_unit_is_refused(path, name):
    with h5py.File(path, "r+") as file:
        file[name].attrs["units"] = "furlong"
    with pytest.raises(ValueError, match=rf"field /{name} has the units .* with 'furlong'"):
        read_scan(path)


def unsealed(field, values):
    del field.attrs["crc32"]
    field[...] = values


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda g: g.__delitem__("source_distance"), "geometry/source_distance"),
        (lambda g: unsealed(g["source_distance"], -1.0), "`.*source_distance` must be"),
        (
            lambda g: g.attrs.update({"detector": "round"}),
            "'flat' or 'curved'; got .* with 'round'",
        ),
        (lambda g: g["detector_distance"].attrs.update({"units": "cm"}), "'mm'; got .* with 'cm'"),
    ],
    ids=["missing", "negative", "detector", "unit"],
)
def test_a_damaged_fan_is_refused(tmp_path, spoil, message):
    write_scan(tmp_path / "fan.h5", fan_example())
    with h5py.File(tmp_path / "fan.h5", "r+") as file:
        spoil(file["geometry"])
    with pytest.raises(ValueError, match=message) as error:
        read_scan(tmp_path / "fan.h5")
    assert "fan.h5" in str(error.value)


def test_another_beam_is_refused(path):
    with h5py.File(path, "r+") as file:
        file["geometry"].attrs["beam"] = "pencil"
    rule = r"`beam` is 'parallel' or 'fan' or 'cone' or 'vectors'; got '.*scan\.h5' with 'pencil'"
    with pytest.raises(ValueError, match=rule):
        read_scan(path)


def put(path, name, values):
    """Put other values into a field, with the units it has."""
    with h5py.File(path, "r+") as file:
        units = file[name].attrs["units"]
        del file[name]
        file[name] = values
        file[name].attrs["units"] = units


SINOGRAM = example().sinogram.numpy()


@pytest.mark.parametrize(
    "name, values, rule",
    [
        ("truth", np.zeros((5, 7), np.float32), r"`truth` must have the shape \(5, 6\)"),
        ("truth", np.full((5, 6), np.nan), r"`truth` must be finite everywhere; got 30 NaN"),
        ("sinogram", SINOGRAM * np.nan, r"`sinogram` must be finite everywhere; got 63 NaN"),
        ("sinogram", SINOGRAM * np.inf, r"`sinogram` must be finite everywhere; got 63 NaN"),
        ("sinogram", SINOGRAM[:3], r"`sinogram` must have the shape \(7, 9\) of the geometry"),
        ("sinogram", np.zeros((0, 9)), r"`sinogram` must not be empty"),
        ("sinogram", SINOGRAM.astype(int), r"`sinogram` must be float32 or float64"),
        ("geometry/angles", np.arange(7) * 25.7, r"`angles` must be in radians; .* degrees"),
        ("geometry/detector/pitch", [-1.0], r"`pitch` must be above zero"),
        ("grid/spacing", [0.0, 1.0], r"`spacing` must be above zero"),
    ],
)
def test_what_is_wrong_in_a_field_is_said_with_the_file_and_the_field(path, name, values, rule):
    put(path, name, values)
    start = rf"^`path` must name a file with a valid field /{name}; got '.*scan\.h5'\. "
    with pytest.raises((TypeError, ValueError), match=start + rule):
        read_scan(path)


def test_a_field_of_words_is_refused(path):
    put(path, "sinogram", np.full((7, 9), b"x"))
    rule = r"field /sinogram holds numbers; got '.*scan\.h5' with values of type \|S1"
    with pytest.raises(ValueError, match=rule):
        read_scan(path)


def test_a_file_that_is_being_written_to_is_locked(path):
    code = (
        f"import h5py, sys; file = h5py.File({str(path)!r}, 'r+'); print('open', flush=True); "
        "sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout.readline() == "open\n"
        rule = r"free to read; got '.*scan\.h5', which is locked.*HDF5_USE_FILE_LOCKING=FALSE"
        with pytest.raises(BlockingIOError, match=rule):
            read_scan(path)
        writer.stdin.close()
    assert read_scan(path).num_views == 7


def test_a_file_that_may_not_be_read_is_named(path, monkeypatch):
    def denied(*_, **__):
        raise PermissionError(13, "Permission denied")

    rule = r"that may be read; got '.*scan\.h5'\. Change its permissions\."
    with monkeypatch.context() as patched:
        patched.setattr("h5py.File", denied)
        with pytest.raises(PermissionError, match=rule):
            read_hdf5_scan(path)
    for call in ("open", "exists"):
        with monkeypatch.context() as patched:
            patched.setattr(f"pathlib.Path.{call}", denied)
            with pytest.raises(PermissionError, match=rule):
                read_scan(path)
