"""Fits that are ended anywhere and gone on with have the bits of a fit that was not ended."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch

from ctinr.data import Checkpoint
from ctinr.geometry import Detector, Grid, ParallelBeam, equal_angles
from ctinr.networks import BWReLU, Ensemble, Wire
from ctinr.operators import Identity, Observation
from ctinr.projectors import Projector
from ctinr.recon.fit import fit
from ctinr.recon.inr import inr
from ctinr.recon.neural_field import field
from ctinr.recon.neural_field.recipe import Recipe
from ctinr.recon.observers import Watcher
from ctinr.recon.search import TRIAL_ITERATIONS
from ctinr.recon.uncertainty import uncertainty
from phantoms import disk

GRID = Grid((9, 12))
FAMILY = BWReLU(width=16, depth=2)
TINY = Recipe(prior="tv", weight=1e-3, warm=4, rounds=2, refit=1, steps=20)
ALL = 4 + 3 * 20


class Memory:
    """A store that lives as long as the test, and saves after every step."""

    every = 0.0

    def __init__(self):
        self.state, self.saved = None, 0

    def load(self):
        return copy.deepcopy(self.state)

    def save(self, state):
        self.state, self.saved = copy.deepcopy(state), self.saved + 1

    def remove(self):
        self.state = None


class EndsAt(Watcher):
    """Ends a run at a step of the fit, which is the run of that many iterations."""

    def __init__(self, iterations, index, error=KeyboardInterrupt):
        self._iterations, self._index, self._error, self.seen = iterations, index, error, []

    def begin(self, iterations):
        self._now = iterations

    def observe(self, step):
        if self._now == self._iterations:
            self.seen.append(step.index)
            if step.index == self._index:
                raise self._error


def network(seed=0, family=FAMILY):
    return family.build(2, generator=torch.Generator().manual_seed(seed))


def fitted(net, iterations=12, **options):
    wanted = torch.rand(GRID.shape, generator=torch.Generator().manual_seed(1))
    given = {"grid": GRID, "iterations": iterations, "precision": "float32"} | options
    return fit(net, Observation(Identity(GRID), wanted), **given)


BUILT = {
    "wavelets": network,
    "complex": lambda seed=0: network(seed, Wire(width=8, depth=2)),
    "ensemble": lambda seed=0: Ensemble([network(seed), network(seed + 1)]),
}


@pytest.mark.parametrize("kind", BUILT)
@pytest.mark.parametrize("index", [1, 7])
def test_a_fit_goes_on_to_equal_bits(tmp_path, kind, index):
    whole, cut, store = BUILT[kind](), BUILT[kind](), Checkpoint(tmp_path / "a", every=0.0)
    expected = fitted(whole)
    # Whoever is killed cannot return anything.
    with pytest.raises(SystemExit):
        fitted(cut, checkpoint=store, observers=[EndsAt(12, index, SystemExit)])
    other, watcher = BUILT[kind](5), EndsAt(12, 0)
    result = fitted(other, checkpoint=store, observers=[watcher])
    assert torch.equal(result.image, expected.image) and result.losses == expected.losses
    assert (result.iterations, result.stopped_by) == (12, "iterations")
    assert watcher.seen == [*range(index + 1, 13)]
    for one, two in zip(whole.parameters(), other.parameters(), strict=True):
        assert torch.equal(one, two)
    assert store.load() is None


def scan():
    grid = Grid((20, 24), 2.0)
    A = Projector(ParallelBeam(equal_angles(12), Detector(34, 2.0)), grid)
    rays = A.geometry.rays()
    phantom = disk(14.0, 0.02, center=(2.0, -3.0))
    return A, torch.as_tensor(phantom.line_integrals(rays.points, rays.directions)).float()


@pytest.fixture(scope="module")
def expected():
    return uncertainty(*scan(), members=2, family=FAMILY, recipe=TINY)


@pytest.mark.slow
def test_the_field_goes_on_to_equal_bits_however_often_it_is_ended(expected, monkeypatch):
    A, y = scan()
    store, given = Memory(), {"family": FAMILY, "recipe": TINY}
    # In the warm start, in a round, at the end of one, in the refit.
    for index in (2, 13, 24, 51):
        partly = inr(A, y, **given, checkpoint=store, observers=[EndsAt(ALL, index)])
        assert partly.stopped_by == "interrupted" and store.state is not None
        # The choice is that of the first run: nothing is tried again.
        monkeypatch.setattr(field, "best_trial", None)
    result = inr(A, y, **given, checkpoint=store)
    assert torch.equal(result.image, expected.image) and result.losses == expected.losses
    assert result.stopped_by == "iterations" and store.state is None
    assert result.parameters == expected.parameters
    assert result.record == {k: v for k, v in expected.record.items() if k != "ensemble"}


@pytest.mark.slow
def test_an_ensemble_that_is_ended_keeps_the_fit(expected):
    A, y = scan()
    store, given = Memory(), {"members": 2, "family": FAMILY, "recipe": TINY}
    partly = uncertainty(A, y, **given, checkpoint=store, observers=[EndsAt(20, 9)])
    assert partly.interval is None and store.state is not None
    watcher = EndsAt(ALL, 0)
    result = uncertainty(A, y, **given, checkpoint=store, observers=[watcher])
    assert torch.equal(result.interval.std, expected.interval.std) and store.state is None
    assert watcher.seen == [ALL]


class Answers(Watcher):
    """Ends every run after its first step, as a budget for each run does."""

    def observe(self, step):
        return "time budget"


def test_a_fit_after_trials_that_were_cut_short_is_not_kept():
    A, y = scan()
    store, given = Memory(), {"family": FAMILY, "recipe": TINY}
    result = inr(A, y, **given, checkpoint=store, observers=[Answers()])
    assert result.stopped_by == "time budget" and store.saved == 0


def test_trials_that_are_ended_are_not_kept():
    A, y = scan()
    store = Memory()
    ended = EndsAt(TRIAL_ITERATIONS, 2)
    result = inr(A, y, family=FAMILY, recipe=TINY, checkpoint=store, observers=[ended])
    assert result.stopped_by == "interrupted" and store.saved == 0


@pytest.mark.usefixtures("native_bfloat16")
def test_a_state_of_another_fit_is_refused():
    A, y = scan()
    store, given = Memory(), {"family": FAMILY, "recipe": TINY}
    inr(A, y, **given, checkpoint=store, observers=[EndsAt(ALL, 9)])
    other = Projector(A.geometry, Grid((20, 24), 1.9))
    changes = {
        "data": ((A, y * 1.001), given),
        "operator": ((other, y), given),
        "family": ((A, y), given | {"family": BWReLU(width=17, depth=2)}),
        "refit": ((A, y), given | {"recipe": replace(TINY, refit=3, steps=20)}),
        "seed 0, now 1": ((A, y), given | {"seed": 1}),
    }
    for name, (problem, options) in changes.items():
        with pytest.raises(ValueError, match=f"`checkpoint` must have no state.*{name}"):
            inr(*problem, **options, checkpoint=store)
    fitted(network(), checkpoint=(own := Memory()), observers=[EndsAt(12, 3)])
    for name, value in (("iterations", 13), ("precision", "bfloat16")):
        with pytest.raises(ValueError, match=f"`checkpoint` must have no state.*{name}"):
            fitted(network(), **{name: value}, checkpoint=own)
    with pytest.raises(ValueError, match=r"`checkpoint` must have no state.*network"):
        fitted(network(family=BWReLU(width=17, depth=2)), checkpoint=own)


def test_states_are_saved_now_and_then():
    store = Memory()
    store.every = 1000.0
    fitted(network(), checkpoint=store, observers=[EndsAt(12, 9)])
    assert store.saved == 0
    store.every = 0.0
    fitted(network(), checkpoint=store, observers=[EndsAt(12, 9)])
    assert store.saved == 9
