"""Cone-beam benchmarks: where a small ball is seen, by the formulas of the benchmarks' own code."""

from __future__ import annotations

import collections
import contextlib
import datetime
import json
import math
import os
import pickle

import numpy as np
import pytest
import torch

from ctinr.data import contents_of, convert, read_scan, reader_of
from ctinr.data.formats.naf import read_naf
from ctinr.data.formats.pickles import plain_pickle
from ctinr.data.formats.r2gaussian import read_r2gaussian
from ctinr.projectors import Projector
from phantoms import ball

# (u, v) and (x, y, z); nothing is equal to anything else. A ball of 1 mm off every axis.
BINS, PITCH, CELLS, SPACING = (48, 36), (0.8, 1.0), (20, 24, 16), (1.0, 0.9, 1.1)
SOURCE, WHOLE, OFFSET = 100.0, 150.0, (0.7, -1.2)
BALL, RADIUS, VALUE = (5.0, -3.0, 4.0), 2.5, 30.0
ANGLES = np.array([0.0, 0.6, 2.0, 4.5])


def projections():
    """∫ over metres of a ball of 30 per metre, (angle, row, column), rows going down."""
    column = (np.arange(BINS[0]) + 0.5 - BINS[0] / 2) * PITCH[0] + OFFSET[0]
    row = (np.arange(BINS[1]) + 0.5 - BINS[1] / 2) * PITCH[1] + OFFSET[1]
    u, v = np.meshgrid(column, row)
    views = []
    for angle in ANGLES:
        start = SOURCE * np.array([math.cos(angle), math.sin(angle), 0.0])
        across, ahead = np.array([-math.sin(angle), math.cos(angle), 0.0]), -start / SOURCE
        ray = ahead * WHOLE + u[..., None] * across - v[..., None] * np.array([0.0, 0.0, 1.0])
        ray /= np.linalg.norm(ray, axis=-1, keepdims=True)
        off = np.linalg.norm(np.cross(np.array(BALL) - start, ray), axis=-1)
        views.append(2 * VALUE / 1000 * np.sqrt(np.clip(RADIUS**2 - off**2, 0, None)))
    return np.stack(views)


def volume():
    """The ball on the cells, (x, y, z), per metre: the mean of 3³ points in each."""
    axes = [
        (np.arange(3 * n) + 0.5 - 3 * n / 2) * step / 3
        for n, step in zip(CELLS, SPACING, strict=True)
    ]
    x, y, z = np.meshgrid(*axes, indexing="ij")
    inside = (x - BALL[0]) ** 2 + (y - BALL[1]) ** 2 + (z - BALL[2]) ** 2 < RADIUS**2
    shape = [part for n in CELLS for part in (n, 3)]
    return VALUE * inside.reshape(shape).mean(axis=(1, 3, 5))


def naf(**changes):
    content = {
        "DSD": WHOLE,
        "DSO": SOURCE,
        "nDetector": list(BINS),
        "dDetector": list(PITCH),
        "nVoxel": list(CELLS),
        "dVoxel": list(SPACING),
        "offOrigin": [0, 0, 0],
        "offDetector": list(OFFSET),
        "mode": "cone",
        "numTrain": np.int64(4),
        "image": volume().astype(np.float32),
        "train": {"angles": ANGLES, "projections": projections().astype(np.float32)},
        "val": {"angles": ANGLES[:2] + 0.1, "projections": projections()[:2]},
    }
    return {key: value for key, value in {**content, **changes}.items() if value is not None}


def write(path, content, protocol=4):
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path


def write_folder(folder, unit=50.0, **changes):
    """As R²-Gaussian has it: lengths in a unit of the scene, here 50 mm."""
    scanner = {
        "mode": "cone",
        "DSD": WHOLE / unit,
        "DSO": SOURCE / unit,
        "nDetector": list(BINS[::-1]),
        "sDetector": [BINS[1] * PITCH[1] / unit, BINS[0] * PITCH[0] / unit],
        "nVoxel": list(CELLS),
        "sVoxel": [n * step / unit for n, step in zip(CELLS, SPACING, strict=True)],
        "offOrigin": [0, 0, 0],
        "offDetector": [OFFSET[1] / unit, OFFSET[0] / unit],
    }
    scanner.update(changes)
    (folder / "proj_train").mkdir(parents=True)
    entries = []
    for view, (angle, values) in enumerate(zip(ANGLES, projections(), strict=True)):
        name = f"proj_train/proj_train_{view:04d}.npy"
        np.save(folder / name, values.astype(np.float32))
        entries.append({"file_path": name, "angle": float(angle)})
    np.save(folder / "vol_gt.npy", (volume() / 1000 * unit).astype(np.float32))
    meta = {"scanner": scanner, "vol": "vol_gt.npy", "proj_train": entries}
    (folder / "meta_data.json").write_text(json.dumps(meta))
    return folder


def centroids(views):
    """The row and the column in the middle of every view's shadow."""
    weights = views.numpy() / views.numpy().sum(axis=(1, 2), keepdims=True)
    return [(weights * axis).sum(axis=(1, 2)) for axis in np.indices(weights.shape)[1:]]


def both(tmp_path):
    return [
        read_naf(write(tmp_path / "a.pickle", naf())),
        read_r2gaussian(write_folder(tmp_path / "b"), unit=50.0),
    ]


def test_the_geometry_is_in_mm_and_in_our_order(tmp_path):
    for scan in both(tmp_path):
        beam, detector = scan.geometry, scan.geometry.detector
        np.testing.assert_allclose(beam.angles, ANGLES + math.pi / 2)
        assert beam.source_distance == pytest.approx(100.0)
        assert beam.detector_distance == pytest.approx(50.0)
        assert detector.shape == (36, 48)
        assert detector.pitch == pytest.approx((1.0, 0.8))
        assert detector.offset == pytest.approx((1.2, 0.7))
        assert scan.grid.shape == (16, 24, 20)
        assert scan.grid.spacing == pytest.approx((1.1, 0.9, 1.0))
        assert (beam.curved, beam.helical_pitch) == (False, 0.0)


def test_the_truth_projects_onto_the_projections(tmp_path):
    for scan in both(tmp_path):
        A = Projector(scan.geometry, scan.grid, backend="torch")
        gap = torch.linalg.norm(A(scan.truth) - scan.sinogram)
        assert gap < 0.2 * torch.linalg.norm(scan.sinogram)
        np.testing.assert_allclose(centroids(A(scan.truth)), centroids(scan.sinogram), atol=0.05)
        for axis in (0, 1, 2):
            wrong = torch.linalg.norm(A(scan.truth.flip(axis)) - scan.sinogram)
            assert wrong > 0.9 * torch.linalg.norm(scan.sinogram)
        assert float(scan.truth.max()) == pytest.approx(VALUE / 1000)


def test_the_exact_integrals_of_the_ball_are_the_projections(tmp_path):
    """By our rays and by the formulas of the benchmarks, to rounding: no bin is off."""
    for scan in both(tmp_path):
        rays = scan.geometry.rays()
        seen = ball(RADIUS, VALUE / 1000, center=BALL).line_integrals(rays.points, rays.directions)
        np.testing.assert_allclose(scan.sinogram.numpy(), seen, atol=1e-6)
        wrong = seen[:, ::-1] - scan.sinogram.numpy()
        assert np.abs(wrong).max() > 0.5 * seen.max()


def test_read_scan_knows_them(tmp_path):
    pickled, folder = write(tmp_path / "a.pickle", naf()), write_folder(tmp_path / "b")
    scan = read_scan(pickled, part="val", num_views=1)
    assert scan.sinogram.shape == (1, 36, 48)
    assert scan.metadata["title"] == "a, val"
    assert scan.metadata["data_range"] == pytest.approx(VALUE / 1000)
    assert scan.warnings() == ()
    assert read_scan(folder, unit=50.0).warnings() == ()
    assert "its unit of length is: it was taken to be 1 mm" in read_scan(folder).warnings()[0]
    names = [reader_of(path).name for path in (pickled, folder)]
    assert names == ["NAF or SAX-NeRF cone beam (pickle)", "R²-Gaussian cone beam (folder)"]
    assert contents_of(pickled) == {}
    with pytest.raises(ValueError, match="`unit` must be left out for a NAF or SAX-NeRF"):
        read_scan(pickled, unit=1.0)


def test_a_pickle_is_known_by_its_first_bytes(tmp_path):
    assert read_scan(write(tmp_path / "chest_50", naf())).num_views == 4


def test_they_are_converted(tmp_path):
    folder = write_folder(tmp_path / "b")
    assert convert(folder, tmp_path / "c.h5", unit=50.0) == ()
    scan, again = read_scan(folder, unit=50.0), read_scan(tmp_path / "c.h5")
    assert torch.equal(again.sinogram, scan.sinogram)
    assert torch.equal(again.truth, scan.truth)
    assert (again.geometry, again.grid) == (scan.geometry, scan.grid)
    with pytest.raises(ValueError, match="`scan` must have a parallel beam to be written"):
        convert(folder, tmp_path / "c.nxs", to="nxtomo")


def test_the_other_part_can_be_asked_for(tmp_path):
    path = write(tmp_path / "a.pickle", naf())
    scan = read_naf(path, part="val")
    np.testing.assert_allclose(scan.geometry.angles, ANGLES[:2] + 0.1 + math.pi / 2)
    with pytest.raises(ValueError, match="`part` must be one of 'train', 'val'"):
        read_naf(path, part="test")
    assert read_naf(write(path, naf(image=None))).truth is None


# ------------------------------------------------------------------ pickles


class Bomb:
    """What an attacker puts into a pickle."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", range(6))
def test_nothing_is_executed(tmp_path, protocol):
    trap = tmp_path / "executed"
    path = write(tmp_path / "a.pickle", naf(extra=[Bomb(trap)]), protocol)
    with pytest.raises(ValueError, match=r"plain values and numpy arrays; got '.*', which calls"):
        read_naf(path)
    assert not trap.exists()
    # So that the trap is one.
    pickle.loads(path.read_bytes())
    assert trap.exists()


@pytest.mark.parametrize("protocol", range(6))
def test_plain_values_of_every_protocol_are_taken(tmp_path, protocol):
    content = {
        "a": [1, 2.5, "text", b"bytes", None, True, (1, 2), {3}],
        "array": np.arange(12.0, dtype=np.float32).reshape(3, 4),
        "columns": np.asfortranarray(np.arange(6).reshape(2, 3)),
        "number": np.float64(0.1),
    }
    found = plain_pickle(write(tmp_path / "a.pickle", content, protocol))
    assert found["a"] == content["a"]
    assert np.array_equal(found["array"], content["array"])
    assert np.array_equal(found["columns"], content["columns"])
    assert found["number"] == 0.1


@pytest.mark.parametrize(
    "value", [eval, os.system, np.load, collections.OrderedDict(a=1), datetime.date(2020, 1, 1)]
)
def test_anything_else_is_refused(tmp_path, value):
    path = write(tmp_path / "a.pickle", {"a": value})
    with pytest.raises(ValueError, match=r"which calls for [\w.]+\. Loading it could execute"):
        plain_pickle(path)


def test_a_codec_is_no_way_out(tmp_path):
    call = b"c_codecs\nencode\n(Vtext\nVrot13\ntR."
    (tmp_path / "a.pickle").write_bytes(call)
    with pytest.raises(OSError, match=r"whole pickle; got '.*' \(bytes as text in rot13\)"):
        plain_pickle(tmp_path / "a.pickle")


class Crafted:
    """A pickle of calls that are allowed, with arguments that numpy never writes."""

    def __init__(self, *reduced):
        self.reduced = reduced

    def __reduce__(self):
        return self.reduced


RECONSTRUCT, FRAME = np.empty(0).__reduce__()[0], np.empty(0).__reduce_ex__(5)[0]
# The state of a type of records whose field is an object, with flags that deny it.
HIDDEN = (3, "|", None, ("a",), {"a": (np.dtype("O"), 0)}, 8, 1, 0)


@pytest.mark.parametrize(
    "hostile",
    [
        Crafted(RECONSTRUCT, (np.ndarray, (1 << 60,), b"b")),
        Crafted(RECONSTRUCT, (set, (1,), b"b")),
        Crafted(np.ndarray, ((1 << 60,),)),
        Crafted(np.ndarray, ((2,), np.dtype("O"))),
        Crafted(RECONSTRUCT, (np.ndarray, (0,), b"b"), (1, (2,), np.dtype("O"), False, [1, 2])),
        Crafted(RECONSTRUCT, (np.ndarray, (0,), b"b"), (1, (1 << 60,), np.dtype("f8"), False, b"")),
        Crafted(FRAME, (b"12345678" * 2, np.dtype("O"), (2,), "C")),
        Crafted(FRAME, (b"1234567812345678", Crafted(np.dtype, ("V8",), HIDDEN), (2,), "C")),
        Crafted(np.dtype, ("V8",), (3, "|", None, None, None, -5, 1, 0)),
        np.dtype("f4"),
        np.ndarray,
    ],
)
def test_calls_with_hostile_arguments_end_in_an_error(tmp_path, hostile):
    for content in ([hostile], naf(image=hostile)):
        path = write(tmp_path / "a.pickle", content)
        with pytest.raises((OSError, ValueError), match=r"^`path` must name a .*a\.pickle'"):
            read_naf(path)


@pytest.mark.parametrize(
    "opcodes",
    [
        b"\x82\x01.",  # an entry of the registry of extensions
        b"(S'ls'\nios\nsystem\n.",  # an instance of an old class
        b"(cos\nsystem\nS'ls'\no.",
        b"Pwhatever\n.",  # something kept outside
        b"cbuiltins\ngetattr\n.",
        b"\x8c\x08builtins\x8c\x08set.mro\x93.",  # an attribute of what is allowed
        b"cnumpy\nndarray.tofile\n.",
        b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\xff.",
        b"\x80\x05\x96\xff\xff\xff\xff\xff\xff\xff\xff.",
        b"r\xff\xff\xff\xff.",
        b"0.",
        b"",
    ],
)
def test_hostile_opcodes_end_in_an_error(tmp_path, opcodes):
    (tmp_path / "a.pickle").write_bytes(opcodes)
    with pytest.raises((OSError, ValueError), match=r"^`path` must name a .*a\.pickle'"):
        read_naf(tmp_path / "a.pickle")


def test_a_pickle_changes_nothing_for_the_next(tmp_path):
    """Whatever a pickle names, it may set the attributes of."""
    spoil = b"c_codecs\nencode\n(N}V__defaults__\n(Vlatin1\ntstb."
    (tmp_path / "a.pickle").write_bytes(spoil)
    with contextlib.suppress(OSError, ValueError):
        plain_pickle(tmp_path / "a.pickle")
    (tmp_path / "b.pickle").write_bytes(b"c_codecs\nencode\n(Vtext\ntR.")
    with pytest.raises(OSError, match=r"missing .*encoding"):
        plain_pickle(tmp_path / "b.pickle")


def test_a_list_that_holds_itself_is_refused(tmp_path):
    endless = []
    endless.append(endless)
    with pytest.raises(OSError, match=r"whole pickle; got '.*a\.pickle' \(maximum recursion"):
        plain_pickle(write(tmp_path / "a.pickle", endless))


def test_arrays_of_objects_are_refused(tmp_path):
    path = write(tmp_path / "a.pickle", [np.array([1, "a"], dtype=object)])
    with pytest.raises(ValueError, match=r"whose arrays hold numbers; got '.*' with object"):
        plain_pickle(path)


def test_a_truncated_pickle_is_named(tmp_path):
    path = write(tmp_path / "a.pickle", naf())
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(OSError, match=r"must name a whole pickle; got '.*a\.pickle'"):
        read_naf(path)


# ------------------------------------------------------------------ what does not fit


@pytest.mark.parametrize(
    "changes, rule",
    [
        ({"DSO": None}, "name a file with DSO; got '.*a.pickle' without"),
        ({"DSO": 200.0}, "DSD is more than DSO, and that more than 0; got '.*' with 150 and 200"),
        ({"nDetector": [1, 2, 3]}, "with 2 numbers nDetector; got '.*' with"),
        ({"mode": "parallel"}, "a scan by a cone beam; got '.*' by 'parallel'"),
        ({"train": {"angles": ANGLES}}, "name a pickle with projections; got '.*' without"),
        ({"train": None}, "a pickle with projections 'train'; got"),
        ({"nDetector": [36, 48]}, r"usable train projections; .*shape \(4, 48, 36\)"),
        ({"image": np.ones((3, 3, 3))}, r"usable image; .*shape \(20, 24, 16\)"),
        ({"image": "a ball"}, "an image of numbers; got '.*a.pickle' with 'a ball'"),
        ({"image": [[1.0], [2.0, 3.0]]}, "an image of numbers; got '.*a.pickle' with"),
        ({"image": np.full((20, 24, 16), 1e300)}, "a usable image; got .*finite"),
        ({"train": {"angles": {}, "projections": projections()}}, "train angles of numbers; got"),
        ({"train": {"angles": ANGLES * 57.3, "projections": projections()}}, "look like degrees"),
    ],
)
def test_a_pickle_that_does_not_fit_is_refused(tmp_path, changes, rule):
    path = write(tmp_path / "a.pickle", naf(**changes))
    with pytest.raises(ValueError, match=rule):
        read_naf(path)


def test_a_folder_that_does_not_fit_is_refused(tmp_path):
    folder = write_folder(tmp_path / "a")
    meta = json.loads((folder / "meta_data.json").read_text())
    meta["proj_train"][0]["file_path"] = "../outside.npy"
    (folder / "meta_data.json").write_text(json.dumps(meta))
    with pytest.raises(ValueError, match=r"description points into it; got '.*' with '\.\./out"):
        read_r2gaussian(folder)
    (folder / "meta_data.json").write_text(json.dumps({**meta, "proj_train": []}))
    with pytest.raises(ValueError, match=r"a list proj_train; got '.*meta_data\.json' without"):
        read_r2gaussian(folder)
    (folder / "meta_data.json").write_text("{")
    with pytest.raises(OSError, match=r"name a whole file; got '.*meta_data\.json'"):
        read_r2gaussian(folder)
    with pytest.raises(FileNotFoundError, match=r"meta_data\.json"):
        read_r2gaussian(tmp_path)
