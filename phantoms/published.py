"""From published tables to phantoms of this house: y up becomes y down, here and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable

from phantoms.phantom import Phantom
from phantoms.terms import Term

WATER = 0.0206
"""The attenuation of water in 1/mm for photons of about 60 keV."""


def from_table(terms: Iterable[Term], *, unit_length: float, unit_value: float) -> Phantom:
    """Return the phantom of a table that has y pointing up the picture.

    Parameters
    ----------
    terms : iterable of Term
        Entered as published.
    unit_length : float
        The mm of one unit of length in the table.
    unit_value : float
        The attenuation in 1/mm of the value 1 in the table.
    """
    return Phantom(tuple(terms)).mirrored().scaled(unit_length).weighted(unit_value)
