"""The state of an unfinished fit in a file: whole or not there, and sealed."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ctinr import checks
from ctinr.data.files import replacing
from ctinr.data.hdf5_access import built, dataset, opened, text_attribute, values
from ctinr.data.hdf5_integrity import seal

if TYPE_CHECKING:
    import h5py

FORMAT, VERSION = "ctinr-checkpoint", 1
TREE = "tree"


@dataclass(frozen=True)
class Checkpoint:
    """A file that keeps the state of a fit, so that a later one can go on from there.

    Parameters
    ----------
    path : path
        The file, HDF5. It need not exist; its folder must. It is removed when the fit is over.
    every : float
        The least time between two savings, s; 0 saves after every step.
    """

    path: str | os.PathLike[str]
    every: float = 10.0

    def __post_init__(self) -> None:
        seconds = checks.finite(self.every, "every")
        checks.require(seconds >= 0, "every", "be at least 0", self.every)
        folder, rule = Path(self.path).parent, "lie in a folder that exists"
        remedy = f"Make '{folder}' first."
        if not folder.is_dir():
            raise FileNotFoundError(checks.message("path", rule, f"'{self.path}'", remedy))

    def load(self) -> dict[str, Any] | None:
        """Return the state that was saved last, or None if there is no file.

        Raises
        ------
        OSError
            If the file cannot be read, or is not what was written.
        ValueError
            If it is something else than a checkpoint.
        """
        if not Path(self.path).exists():
            return None
        with opened(self.path) as file:
            found = (text_attribute(file, "format"), text_attribute(file, "version"))
            rule = "name a checkpoint, or a file that does not exist yet"
            known = found == (FORMAT, str(VERSION))
            checks.require(known, "path", rule, f"'{self.path}'", "Choose another name.")
            tree = json.loads(bytes(values(dataset(file, TREE))).decode())
            return _grown(tree, file)

    def save(self, state: dict[str, Any]) -> None:
        """Write a state in place of the one before, which stays if that fails.

        Raises
        ------
        OSError
            If it cannot be written, or the disk is full.
        """
        with replacing(self.path, overwrite=True) as partial, built(partial) as file:
            file.attrs["format"], file.attrs["version"] = FORMAT, VERSION
            tensors: list[Tensor] = []
            text = json.dumps(_felled(state, tensors)).encode()
            for place, tensor in enumerate(tensors):
                _put(file, _name(place), tensor.detach().cpu().numpy())
            _put(file, TREE, np.frombuffer(text, np.uint8))

    def remove(self) -> None:
        """Remove the file, if there is one."""
        Path(self.path).unlink(missing_ok=True)


def _put(file: h5py.File, name: str, data: np.ndarray) -> None:
    seal(file.create_dataset(name, data=data), data)


def _name(place: int) -> str:
    return f"tensors/{place}"


def _felled(value: Any, tensors: list[Tensor]) -> Any:
    """Return a tree as JSON holds it; its tensors are added to the list, and named by their place.

    What is neither is left to JSON, whose TypeError is about a defect and no argument.
    """
    if isinstance(value, Tensor):
        tensors.append(value)
        return {"tensor": len(tensors) - 1}
    if isinstance(value, dict):
        # Keys of optimisers are numbers, which JSON would turn into texts.
        return {"dict": [[key, _felled(each, tensors)] for key, each in value.items()]}
    if isinstance(value, list | tuple):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [_felled(each, tensors) for each in value]}
    return value


def _grown(tree: Any, file: h5py.File) -> Any:
    """Return the tree that `_felled` made that of."""
    if not isinstance(tree, dict):
        return tree
    [(kind, content)] = tree.items()
    if kind == "tensor":
        return torch.from_numpy(np.array(values(dataset(file, _name(content)))))
    if kind == "dict":
        return {key: _grown(each, file) for key, each in content}
    grown = [_grown(each, file) for each in content]
    return grown if kind == "list" else tuple(grown)
