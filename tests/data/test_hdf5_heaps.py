"""Texts whose damage would hang the HDF5 library, or end the process, are refused before it."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from ctinr.data.hdf5_access import dataset, opened, text_attribute, values
from ctinr.data.hdf5_heaps import HEAD, LOOKED_AT, OBJECT, SIGNATURE, check_heaps
from tests.data import nexus


@pytest.fixture
def path(tmp_path):
    nexus.write(tmp_path / "a.h5", "diamond")
    return tmp_path / "a.h5"


def test_whole_collections_pass_wherever_they_lie(path, tmp_path):
    check_heaps(path)
    at = path.read_bytes().index(SIGNATURE)
    for before in (0, 2**21):
        other = tmp_path / "b.h5"
        other.write_bytes(bytes(before) + path.read_bytes()[at:] + bytes(LOOKED_AT // 2))
        check_heaps(other)


@pytest.mark.parametrize("behind", [8, HEAD.size + OBJECT.size - 8], ids=["collection", "object"])
@pytest.mark.parametrize("size", [2**20, 2**40, 2**64 - 1])
def test_sizes_that_do_not_fit_are_refused(path, size, behind):
    content = bytearray(path.read_bytes())
    at = content.index(SIGNATURE)
    content[at + behind : at + behind + 8] = size.to_bytes(8, "little")
    path.write_bytes(content)
    with pytest.raises(OSError, match=rf"a\.h5', whose texts from byte {at} on do not fit"):
        check_heaps(path)


def test_lists_of_variable_length_are_no_texts(tmp_path):
    lists = h5py.vlen_dtype(np.int32)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        one = np.empty(1, dtype=object)
        one[0] = np.arange(3, dtype=np.int32)
        file.attrs.create("units", one, dtype=lists)
        file.create_dataset("title", (1,), lists)
    with opened(tmp_path / "a.h5") as file:
        message = r"a\.h5', whose attribute units of / holds lists of variable length"
        with pytest.raises(OSError, match=message):
            text_attribute(file, "units")
        with pytest.raises(OSError, match="whose field /title holds lists of variable length"):
            values(dataset(file, "title"))
