"""The metadata of scans in their files: plain values, one field a key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ctinr.data.hdf5_access import dataset, field_names, values
from ctinr.data.hdf5_integrity import seal

if TYPE_CHECKING:
    import h5py

GROUP = "metadata"


def put_metadata(file: h5py.File, metadata: Mapping[str, Any]) -> None:
    """Write the group /metadata."""
    group = file.create_group(GROUP)
    for key, value in metadata.items():
        kept = stored(value)
        seal(group.create_dataset(key, data=kept), kept)


def take_metadata(file: h5py.File) -> dict[str, Any]:
    """Return what `put_metadata` wrote."""
    return {name: restored(dataset(file, f"{GROUP}/{name}")) for name in field_names(file, GROUP)}


def stored(value: Any) -> np.ndarray:
    """Return a plain value as HDF5 holds it: texts in UTF-8, as long as the longest of them."""
    import h5py

    texts = [value] if isinstance(value, str) else value if isinstance(value, tuple) else []
    if not texts or not isinstance(texts[0], str):
        return np.asarray(value)
    coded = [text.encode() for text in texts]
    kind = h5py.string_dtype("utf-8", max(1, *(len(text) for text in coded)))
    return np.array(coded[0] if isinstance(value, str) else coded, dtype=kind)


def restored(field: h5py.Dataset, selection: Any = ()) -> Any:
    """Return a plain value, or one of several, as it was before `stored`."""
    found = np.asarray(values(field, selection))
    items = [item.decode() if isinstance(item, bytes) else item for item in found.ravel().tolist()]
    return tuple(items) if found.ndim else items[0]
