"""Variables of MATLAB's mat files, of version 5 (scipy) and 7.3 (which are HDF5), as numpy arrays.

MATLAB stores arrays column by column; the axes here are those that it shows.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ctinr import checks
from ctinr.data.files import existing, readable
from ctinr.data.hdf5_access import opened, values

SUFFIX = ".mat"
HDF5_HEADER = b"MATLAB 7.3"


def variable_names(path: Path) -> tuple[str, ...]:
    """Return the names of the variables of a file; nothing else is read.

    Raises
    ------
    FileNotFoundError, PermissionError, OSError
        If the file cannot be read or is damaged.
    """
    import scipy.io

    if _is_hdf5(path):
        with opened(path) as file:
            return tuple(str(name) for name in file if not str(name).startswith("#"))
    with damage(path):
        return tuple(name for name, *_ in scipy.io.whosmat(path))


def variable(path: Path, name: str) -> Any:
    """Return one variable: an array, a sparse matrix, or a dictionary for a structure.

    Structures of structures are dictionaries of dictionaries; texts are str.
    """
    import scipy.io

    if _is_hdf5(path):
        with opened(path) as file:
            return _of_hdf5(file[name])
    with damage(path):
        content = scipy.io.loadmat(path, variable_names=[name], simplify_cells=True)
        return content[name]


@contextlib.contextmanager
def damage(path: str | os.PathLike[str]) -> Iterator[None]:
    """Let what scipy raises on a damaged file name the file."""
    path = existing(path)
    try:
        with readable(path):
            yield
    except (PermissionError, FileNotFoundError):
        raise
    # scipy meets damage with whatever its parser trips over, zlib.error included.
    except Exception as error:
        if str(error).startswith("`"):
            raise
        given, remedy = f"'{path}' ({error})", "It is truncated, damaged or of another kind."
        raise OSError(checks.message("path", "name a whole mat file", given, remedy)) from error


def _is_hdf5(path: Path) -> bool:
    path = existing(path)
    with readable(path), path.open("rb") as file:
        return file.read(len(HDF5_HEADER)) == HDF5_HEADER


def _sparse(group: Any) -> Any:
    """Return a sparse matrix, which is stored as three arrays and a number of rows."""
    from scipy.sparse import csc_array

    parts = [np.asarray(values(group[name])).ravel() for name in ("data", "ir", "jc")]
    shape = (int(group.attrs["MATLAB_sparse"]), len(parts[2]) - 1)
    return csc_array((parts[0], parts[1], parts[2]), shape=shape)


def _of_hdf5(item: Any) -> Any:
    import h5py

    if "MATLAB_sparse" in item.attrs:
        return _sparse(item)
    if isinstance(item, h5py.Group):
        return {name: _of_hdf5(item[name]) for name in item}
    stored = np.asarray(values(item))
    if item.attrs.get("MATLAB_class") == b"char":
        return "".join(chr(code) for code in stored.ravel())
    return stored.T
