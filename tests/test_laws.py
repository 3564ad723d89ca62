"""Every operator of the catalogue keeps every law, and every law catches an offender."""

from __future__ import annotations

from typing import Any

import jaxtyping
import numba
import pytest
import torch
from torch import Tensor

from ctinr.operators import LinearOperator
from ctinr.operators.base import Apply
from tests import laws, offenders
from tests.catalogue import OPERATORS
from tests.requires import requires
from tests.vectors import close, noise

OFFENDERS = {
    laws.is_linear: (offenders.Affine,),
    laws.has_its_adjoint: (offenders.Louder, offenders.SlightlyLouder),
    laws.has_its_adjoint_in_single_precision: (offenders.Louder,),
    laws.has_the_transposed_matrix: (offenders.Louder, offenders.SlightlyLouder),
    laws.is_as_good_in_single_precision: (offenders.Coarse,),
    laws.has_the_adjoint_as_gradient: (offenders.Detached,),
    laws.passes_gradcheck: (offenders.Louder, offenders.Detached),
    laws.maps_a_batch_as_its_members: (offenders.Crosstalk,),
    laws.takes_any_leading_axes: (offenders.Flattening,),
    laws.keeps_device_and_dtype: (offenders.Widening,),
    laws.leaves_its_input_alone: (offenders.Scribbling, offenders.Touching),
    laws.returns_fresh_memory: (offenders.SharedBuffer, offenders.Alias),
    laws.takes_any_layout: (offenders.BlindToStrides,),
    laws.shows_what_is_not_a_number: (offenders.Swallowing,),
    laws.repeats_itself: (offenders.Drifting,),
    laws.refuses_what_does_not_fit: (offenders.Unchecked,),
}
PAIRS = [(law, offender) for law, classes in OFFENDERS.items() for offender in classes]


@pytest.fixture(autouse=True, scope="module")
def quick():
    """One thread, as threads that wait for each other cost far more than tiny operators do, and
    no annotations checked at every step; `test_annotations_hold` does that once.
    """
    threads = torch.get_num_threads(), numba.get_num_threads()
    torch.set_num_threads(1)
    numba.set_num_threads(1)
    with annotations_checked(False):
        yield
    torch.set_num_threads(threads[0])
    numba.set_num_threads(threads[1])


class annotations_checked:
    """Within it, annotations are checked, or are not."""

    def __init__(self, wanted: bool) -> None:
        self.wanted = wanted

    def __enter__(self) -> None:
        self.before = jaxtyping.config.jaxtyping_disable
        jaxtyping.config.update("jaxtyping_disable", not self.wanted)

    def __exit__(self, *_: object) -> None:
        jaxtyping.config.update("jaxtyping_disable", self.before)


@pytest.mark.parametrize("name", OPERATORS)
def test_laws(name):
    for law in laws.LAWS:
        law(OPERATORS[name])


@pytest.mark.parametrize("name", OPERATORS)
def test_annotations_hold(name):
    with annotations_checked(True):
        laws.keeps_device_and_dtype(OPERATORS[name])


@requires("cuda")
def test_a_gpu_gives_the_same():
    for A in (A for A in OPERATORS.values() if "backend=numba" not in repr(A)):
        laws.keeps_device_and_dtype(A, device="cuda")
        for B in laws.both_ways(A):
            x = noise(2, *B.domain.shape)
            assert close(B(x.cuda()).cpu(), B(x)), repr(A)


# ------------------------------------------------------------------ the laws are awake


@pytest.fixture
def caught():
    return pytest.raises((AssertionError, RuntimeError, pytest.fail.Exception))


@pytest.mark.parametrize("law", laws.LAWS, ids=lambda law: law.__name__)
def test_an_honest_operator_keeps_the_law(law):
    law(offenders.Dense())


@pytest.mark.parametrize("law, offender", PAIRS, ids=lambda part: part.__name__)
def test_an_offender_is_caught(law, offender, caught):
    with caught:
        law(offender())


def test_a_lost_guard_against_autocast_is_caught(monkeypatch, caught):
    def forward(x: Tensor, operator: LinearOperator, transposed: bool) -> Tensor:
        return operator._transposed(x) if transposed else operator._forward(x)

    monkeypatch.setattr(Apply, "forward", staticmethod(forward))
    with caught:
        laws.is_not_touched_by_autocast(offenders.Dense())


def test_a_wrong_tangent_is_caught(monkeypatch, caught):
    def jvp(ctx: Any, *tangents: Any) -> Any:
        return 1.001 * Apply.apply(tangents[0], ctx.operator, ctx.transposed)

    monkeypatch.setattr(Apply, "jvp", staticmethod(jvp))
    with caught:
        laws.has_itself_as_tangent(offenders.Dense())


def test_a_vmap_that_mixes_axes_up_is_caught(monkeypatch, caught):
    right = Apply.vmap

    def vmap(info: Any, in_dims: Any, x: Tensor, *others: Any) -> Any:
        result, axis = right(info, in_dims, x, *others)
        return result.movedim(axis, 1), 0

    monkeypatch.setattr(Apply, "vmap", staticmethod(vmap))
    with caught:
        laws.is_mapped_by_vmap(offenders.Dense())


def test_every_law_has_an_offender():
    patched = {
        laws.is_not_touched_by_autocast,
        laws.has_itself_as_tangent,
        laws.is_mapped_by_vmap,
    }
    assert set(OFFENDERS) | patched == set(laws.LAWS)
