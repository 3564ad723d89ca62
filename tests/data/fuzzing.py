"""Files that are damaged in every way, and what becomes of those who read them.

`python -m tests.data.fuzzing KIND FIRST LAST FOLDER` reads the damaged files of these numbers one
after another and writes a line of JSON for each: before it is read, so that a crash has a name, and
after. It is run as a process of its own, whose memory is bounded.
"""

from __future__ import annotations

import json
import signal
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

# A reader that takes longer hangs, s; and what it may take beyond what is there, bytes.
PATIENCE, MEMORY = 10, 2**30


# ------------------------------------------------------------------ whole files


def _single(path):
    from ctinr.data import write_scan
    from tests.data.scans import example

    write_scan(path, example())


def _helix(path):
    from ctinr.data import write_scan
    from tests.data.scans import of_beam

    write_scan(path, of_beam("helix"))


def _vectors(path):
    from ctinr.data import write_scan
    from tests.data.scans import of_beam

    write_scan(path, of_beam("vectors"))


def _many(path):
    from ctinr.data import write_scans
    from tests.data.test_scan_sets import several

    write_scans(path, several())


def _exchange(path):
    from tests.data import beamline

    beamline.write(path)


def _nxtomo(path):
    from tests.data import nexus

    nexus.write(path, "diamond")


def _pickle(path):
    from tests.data.formats.test_cones import naf, write

    content = naf(train={"angles": np.arange(4.0), "projections": np.ones((4, 36, 48), "f4")})
    write(path, {**content, "image": np.ones((20, 24, 16), "f4")})


WHOLE: dict[str, Callable[[Path], None]] = {
    "single": _single,
    "helix": _helix,
    "vectors": _vectors,
    "many": _many,
    "exchange": _exchange,
    "nxtomo": _nxtomo,
    "pickle": _pickle,
}
# Files whose values no checksum seals; and those that are HDF5, with fields that can be changed.
UNSEALED, OTHERS = ("exchange", "nxtomo", "pickle"), ("pickle",)
# The search for the axis of rotation is not what is tried here.
OPTIONS: dict[str, dict[str, Any]] = {"exchange": {"center": 60.3}, "nxtomo": {"center": 45.4}}


# ------------------------------------------------------------------ damage to bytes


def _flip(content, random):
    for place in random.integers(0, len(content), random.integers(1, 20)):
        content[place] ^= int(random.integers(1, 256))


def _flip_header(content, random):
    for place in random.integers(0, min(len(content), 3000), random.integers(1, 8)):
        content[place] ^= int(random.integers(1, 256))


def _zero(content, random):
    begin = int(random.integers(0, len(content)))
    size = int(random.integers(1, 2000))
    content[begin : begin + size] = bytes(len(content[begin : begin + size]))


def _noise(content, random):
    begin = int(random.integers(0, len(content)))
    size = min(int(random.integers(1, 500)), len(content) - begin)
    content[begin : begin + size] = random.bytes(size)


def _ones(content, random):
    begin = int(random.integers(0, min(len(content), 8000)))
    content[begin : begin + 8] = b"\xff" * len(content[begin : begin + 8])


def _truncate(content, random):
    del content[int(random.integers(0, len(content))) :]


def _move(content, random):
    begin, end = sorted(random.integers(0, len(content), 2).tolist())
    part = content[begin : min(end, begin + 1000)]
    content[begin : begin + len(part)] = part[::-1]


BYTES = (_flip, _flip_header, _zero, _noise, _ones, _truncate, _move)


# ------------------------------------------------------------------ damage to fields


def _places(file):
    """The names of all groups and fields but the root, in order."""
    names: list[str] = []
    file.visit(names.append)
    return sorted(names)


def _fields(file):
    return [name for name in _places(file) if isinstance(file[name], h5py.Dataset)]


def _put(file, name, values, **given):
    kept = {key: file[name].attrs[key] for key in file[name].attrs}
    del file[name]
    file.create_dataset(name, data=values, **given)
    file[name].attrs.update(kept)


def _delete(file, random):
    del file[random.choice(_places(file))]


def _value(file, random):
    name = random.choice(_fields(file))
    if file[name].dtype.kind in "iuf":
        values = np.array(file[name][()], dtype=float)
        spoiled = random.choice([np.nan, np.inf, -np.inf, 1e308, -1e308, -1.0, 0.0, 1e12])
        values[random.random(values.shape) < random.choice([0.1, 1.0])] = spoiled
        _put(file, name, values)


def _type(file, random):
    name = random.choice(_fields(file))
    shape = file[name].shape
    kinds = ("i1", "u8", "c8", "S3", "?", "f2", np.dtype([("a", "f4")]), h5py.string_dtype())
    kind = kinds[random.integers(len(kinds))]
    values = np.zeros(shape, dtype=kind) if kind != kinds[-1] else np.full(shape, "x", dtype="O")
    _put(file, name, values, dtype=kind)


def _shape(file, random):
    name = random.choice(_fields(file))
    values = np.asarray(file[name][()])
    shapes = (
        values.ravel,
        lambda: values[None],
        lambda: (values.ravel().tolist() or [0])[0],
        lambda: values.reshape(-1)[:0],
        lambda: values[..., None, None, None],
        lambda: values.T,
        lambda: np.concatenate([values.ravel()] * 2),
        lambda: np.zeros((2,) * 20, dtype="i1"),
    )
    _put(file, name, shapes[random.integers(len(shapes))]())


def _claim(file, random):
    """A field that claims to be huge: nothing of it is there."""
    name = random.choice(_fields(file))
    axes = len(file[name].shape) or 1
    kept = {key: file[name].attrs[key] for key in file[name].attrs}
    kind = file[name].dtype if file[name].dtype.kind in "iuf" else "f8"
    kept_shape = [max(1, size) for size in file[name].shape] or [1]
    kept_shape[random.integers(axes)] = int(random.choice([10**7, 10**9, 10**12]))
    del file[name]
    file.create_dataset(name, kept_shape, kind, chunks=(1,) * axes)
    file[name].attrs.update(kept)


def _empty(file, random):
    _put(file, random.choice(_fields(file)), h5py.Empty("f4"))


def _group(file, random):
    name = random.choice(_fields(file))
    del file[name]
    file.create_group(name)


def _link(file, random):
    name = random.choice(_places(file))
    del file[name]
    links = (h5py.SoftLink("/nowhere"), h5py.ExternalLink("nothing.h5", "/a"), file["/"])
    file[name] = links[random.integers(len(links))]


def _attribute(file, random):
    holders = [name for name in ["/", *_places(file)] if len(file[name].attrs)]
    holder = file[random.choice(holders)]
    name = random.choice(list(holder.attrs))
    if random.random() < 0.2:
        del holder.attrs[name]
        return
    values = ("", "µm", b"\xff\xfe", 7, -1, 2.5, np.nan, [1, 2], np.zeros((2, 2)), h5py.Empty("f4"))
    values += ("x" * 1000, True, 10**15, ["a", "b"], np.zeros(0))
    del holder.attrs[name]
    holder.attrs[name] = values[random.integers(len(values))]


FIELDS = (
    *(_delete, _value, _value, _type, _type, _shape, _shape),
    *(_claim, _empty, _group, _link, _attribute, _attribute, _attribute),
)


def damage(path: Path, whole: bytes, *, kind: str, number: int) -> str:
    """Write a damaged file, the same for the same number, and return what was done to it."""
    random = np.random.default_rng((tuple(WHOLE).index(kind), number))
    path.write_bytes(whole)
    if number % 2 and kind not in OTHERS:
        way = FIELDS[random.integers(len(FIELDS))]
        with h5py.File(path, "r+") as file:
            way(file, random)
    else:
        way, content = BYTES[random.integers(len(BYTES))], bytearray(whole)
        way(content, random)
        path.write_bytes(content)
    return way.__name__.strip("_")


# ------------------------------------------------------------------ what becomes of it


def verdict(path: Path, kind: str, *, exact: Any) -> str:
    """Read a file; "error" if it is a clear one, "right", or what is wrong with it."""
    from ctinr.data import read_scan

    try:
        scan = read_scan(path, **OPTIONS.get(kind, {}))
    except (OSError, TypeError, ValueError) as error:
        text = str(error)
        clear = text.startswith("`") and str(path) in text
        return "error" if clear else f"unclear: {type(error).__name__}: {text:.300}"
    except BaseException as error:  # noqa: BLE001, whatever it is
        return f"escaped: {type(error).__name__}: {error!s:.300}"
    if exact is None:
        return "right"
    same = (
        np.array_equal(scan.sinogram, exact.sinogram)
        and (scan.geometry, scan.grid) == (exact.geometry, exact.grid)
        and (scan.truth is None) == (exact.truth is None)
        and (scan.truth is None or np.array_equal(scan.truth, exact.truth))
    )
    return "right" if same else "wrong: another scan, and no error"


def _bound_memory() -> None:
    import resource

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    bound = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (bound, bound))


def main(kind: str, first: str, last: str, folder: str) -> None:
    """Try these numbers."""
    from ctinr.data import read_scan

    path = Path(folder) / f"damaged.{kind if kind in OTHERS else 'h5'}"
    WHOLE[kind](path)
    scan, whole = read_scan(path, **OPTIONS.get(kind, {})), path.read_bytes()
    if sys.platform == "linux":
        _bound_memory()
    warnings.simplefilter("error")
    # Ends the process: what hangs in the HDF5 library does not hear of anything milder.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    for number in range(int(first), int(last)):
        done = damage(path, whole, kind=kind, number=number)
        print(json.dumps({"number": number, "damage": done}), flush=True)
        # Fields are sealed against bytes that change, frames of beamlines are not.
        exact = scan if kind not in UNSEALED and number % 2 == 0 else None
        signal.alarm(PATIENCE)
        found = verdict(path, kind, exact=exact)
        signal.alarm(0)
        print(json.dumps({"number": number, "damage": done, "verdict": found}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
