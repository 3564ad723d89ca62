"""Choosing without the truth: some views are withheld, and the best guess of them wins."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from torch import Tensor

from ctinr import checks
from ctinr.geometry import Beam, ConeBeam, VectorBeam
from ctinr.operators import LinearOperator
from ctinr.recon.observers import relative_error
from ctinr.recon.problem import of_views
from ctinr.recon.views import distinct_directions

WITHHELD_RULE = "least relative error on the withheld views"


@dataclass(frozen=True)
class Split:
    """The views that a method sees and those that judge it.

    Parameters
    ----------
    fitted, withheld : tuple of int
        Indices of views, in rising order; none is in both.
    """

    fitted: tuple[int, ...]
    withheld: tuple[int, ...]

    def __post_init__(self) -> None:
        checks.require(len(self.fitted) > 0, "fitted", "name at least one view", "none")
        checks.require(len(self.withheld) > 0, "withheld", "name at least one view", "none")
        both = sorted({*self.fitted} & {*self.withheld})
        rule = "have no view in common with `fitted`"
        checks.require(not both, "withheld", rule, f"the views {both} in both")

    @property
    def scale(self) -> float:
        """All views per fitted view: what a sum over views grows by when all are fitted."""
        return (len(self.fitted) + len(self.withheld)) / len(self.fitted)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {"fitted": list(self.fitted), "withheld": list(self.withheld)}


def split_views(geometry: Beam, *, fraction: float = 0.1, seed: int = 0) -> Split:
    """Return the split of the views of a geometry; see `withhold_views`.

    Views of a fan or a cone from opposite sides share one line and stand for themselves. Those of
    a helix and those given as vectors have no directions to go by: they are taken in their order.
    """
    turns = not isinstance(geometry, VectorBeam)
    if not turns or (isinstance(geometry, ConeBeam) and geometry.helical_pitch):
        return withhold_views(geometry.num_views, fraction=fraction, seed=seed)
    return withhold_views(
        geometry.num_views,
        fraction=fraction,
        seed=seed,
        angles=geometry.angles,
        half_turns=geometry.half_turns,
    )


def withhold_views(
    num_views: int,
    *,
    fraction: float = 0.1,
    seed: int = 0,
    angles: Sequence[float] | None = None,
    half_turns: int = 1,
) -> Split:
    """Return a split that withholds some views, spread over all of them.

    The views are cut into equal runs, and from the middle half of each run one is taken at
    random, so that withheld views are never neighbours. Where the angles are given, the runs
    follow the directions modulo π, and views of one direction go together: a view whose opposite
    was fitted would judge nothing.

    Parameters
    ----------
    num_views : int
        Number of views, at least 3.
    fraction : float
        The part to withhold, in (0, 0.5]; at least one view is withheld and two are left.
    seed : int
        Decides the places; the same seed gives the same views.
    angles : sequence of float, optional
        The angle of every view, radians. Without them the views are taken to be in order.
    half_turns : int
        After how many half turns a direction comes again: 1, or 2 for a fan.

    Raises
    ------
    ValueError
        If there are fewer than 3 views or directions, the fraction lies outside (0, 0.5], or the
        angles are not one a view.
    """
    num_views = checks.count(num_views, "num_views", least=3)
    part = checks.fraction(fraction, "fraction")
    checks.require(part <= 0.5, "fraction", "be at most 0.5", fraction)
    group = np.arange(num_views)
    if angles is not None:
        rule = f"be one for each of the {num_views} views"
        checks.require(len(angles) == num_views, "angles", rule, f"{len(angles)} angles")
        group = distinct_directions(angles, half_turns=half_turns)[1]
    num_groups = int(group.max()) + 1
    remedy = "Views of one direction modulo π count once."
    checks.require(num_groups >= 3, "angles", "have 3 directions or more", num_groups, remedy)
    num_withheld = min(max(1, round(part * num_groups)), num_groups - 2)
    generator = np.random.default_rng(checks.count(seed, "seed", least=0))
    places = np.arange(num_withheld) + generator.uniform(0.25, 0.75, num_withheld)
    chosen = np.isin(group, (places * num_groups / num_withheld).astype(int))
    return Split(tuple(np.flatnonzero(~chosen).tolist()), tuple(np.flatnonzero(chosen).tolist()))


@dataclass(frozen=True)
class Choice:
    """A parameter that was chosen, and among what.

    Parameters
    ----------
    value
        The candidate with the least error.
    candidates : tuple
        All that were tried, in the order of trial; plain values or tuples of them.
    errors : tuple of float
        The error of each.
    rule : str
        What the error is, in words.
    interrupted : bool
        Whether the search was ended early from the keyboard.
    """

    value: Any
    candidates: tuple[Any, ...]
    errors: tuple[float, ...]
    rule: str
    interrupted: bool = False

    @property
    def error(self) -> float:
        """The least error."""
        return min(self.errors)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def choose(
    reconstruct: Callable[[LinearOperator, Tensor, Any], Tensor],
    A: LinearOperator,
    y: Tensor,
    candidates: Iterable[Any],
    *,
    split: Split,
    patience: int | None = None,
) -> Choice:
    """Choose the candidate whose image explains the withheld views best.

    Parameters
    ----------
    reconstruct : callable
        ``reconstruct(A_fitted, y_fitted, candidate)`` returns the image made of the fitted views.
    A : LinearOperator
        A projector, with `restricted(views)`.
    y : Tensor, shape (*batch, angle, u)
        The data of all views.
    candidates : iterable
        What is tried, in order.
    split : Split
        Which views are fitted and which withheld.
    patience : int, optional
        Stop after so many candidates in a row without a new least error, for a path along which
        the error first falls and then rises. Without it all are tried.

    Returns
    -------
    Choice
        An interrupt from the keyboard ends the search; the choice is then among those tried.

    Raises
    ------
    TypeError
        If A has no `restricted(views)`.
    ValueError
        If there is no candidate.
    KeyboardInterrupt
        If interrupted before the first candidate was judged.
    """
    fitted, withheld = (of_views(A, y, views) for views in (split.fitted, split.withheld))

    def error(candidate: Any) -> float:
        return relative_error(withheld[0], reconstruct(*fitted, candidate), withheld[1])

    return least(error, candidates, rule=WITHHELD_RULE, patience=patience)


def least(
    error: Callable[[Any], float],
    candidates: Iterable[Any],
    *,
    rule: str,
    patience: int | None = None,
    found: Choice | None = None,
) -> Choice:
    """Choose the candidate of least error.

    Parameters
    ----------
    error : callable
        From a candidate to its error.
    candidates : iterable
        What is tried, in order.
    rule : str
        What the error is, in words.
    patience : int, optional
        As for `choose`.
    found : Choice, optional
        An earlier choice that this one goes on from; its candidates count as tried.

    Returns
    -------
    Choice
        An interrupt from the keyboard ends the search; the choice is then among those tried.

    Raises
    ------
    ValueError
        If there is no candidate.
    KeyboardInterrupt
        If interrupted before the first candidate was judged.
    """
    tried: list[tuple[Any, float]] = []
    interrupted = False
    try:
        for candidate in candidates:
            tried.append((candidate, error(candidate)))
            errors = [value for _, value in tried]
            if patience is not None and len(errors) - 1 - errors.index(min(errors)) >= patience:
                break
    except KeyboardInterrupt:
        if not tried and found is None:
            raise
        interrupted = True
    if found is not None:
        tried = [*zip(found.candidates, found.errors, strict=True), *tried]
    checks.require(len(tried) > 0, "candidates", "hold at least one", "none")
    best = min(tried, key=lambda trial: trial[1])[0]
    values, errors = zip(*tried, strict=True)
    return Choice(best, values, errors, rule, interrupted)
