"""Steps that are recorded once and replayed: as a CUDA graph on a card, as a tape on the CPU.

The tape has what makes a graph hard: it replays operations on the very tensors that they were
recorded with, and with the same Python numbers, and nothing may be read by the host meanwhile. It
sees operations of torch only, so the wavelet is the plain one and the projector a matrix.
"""

from __future__ import annotations

import importlib
from dataclasses import replace

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ctinr.geometry import Detector, Grid, ParallelBeam, equal_angles
from ctinr.networks import BWReLU
from ctinr.operators import LinearOperator, Observation, RampFilter
from ctinr.projectors import Projector
from ctinr.recon import fit as fitting
from ctinr.recon.fit import fit, fit_steps
from ctinr.recon.graphs import WARM_UP, Recorded, make_recordable
from ctinr.recon.inr import inr
from ctinr.recon.last_good import LastGood
from ctinr.recon.muon import Muon
from ctinr.recon.neural_field import field
from ctinr.recon.neural_field.recipe import Recipe
from ctinr.recon.optimizers import AdamOnly, MuonAdam, cosine
from ctinr.recon.run import Diverged
from ctinr.recon.stages import Splitting, Stage
from tests.recon.test_checkpoints import EndsAt, Memory
from tests.requires import requires

GRID = Grid((12, 14), 2.0)
GEOMETRY = ParallelBeam(equal_angles(9), Detector(20, 2.0))
ATEN = torch.ops.aten
# What waits for the card, or may not be recorded.
READ_BY_THE_HOST = (ATEN._local_scalar_dense, ATEN.equal, ATEN.nonzero, ATEN.is_nonzero)


class Matrix(LinearOperator):
    """A projector as a matrix."""

    domain = GRID  # type: ignore[assignment]
    range = GEOMETRY  # type: ignore[assignment]

    def __init__(self):
        self.entries = Projector(GEOMETRY, GRID).as_matrix(dtype=torch.float32)

    def _forward(self, x):
        return (x.flatten(1) @ self.entries.T).unflatten(1, GEOMETRY.shape)

    def _transposed(self, y):
        return (y.flatten(1) @ self.entries).unflatten(1, GRID.shape)


class Noted(TorchDispatchMode):
    """Notes every operation, with its tensors."""

    def __init__(self):
        super().__init__()
        self.operations, self._before = [], []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        assert func.overloadpacket not in READ_BY_THE_HOST, f"{func} cannot be recorded"
        for schema, arg in zip(func._schema.arguments, args, strict=False):
            if schema.alias_info is not None and schema.alias_info.is_write:
                self._before += [(each, each.clone()) for each in tree_leaves(arg)]
        out = func(*args, **(kwargs or {}))
        self.operations.append((func, args, kwargs or {}, out))
        return out

    @torch.no_grad()
    def undo(self):
        """Give whatever was written to its values of before: a card runs nothing meanwhile."""
        for tensor, values in reversed(self._before):
            tensor.copy_(values)


class Tape:
    """A recorder whose recordings are the operations of torch, on the CPU."""

    def __init__(self):
        self.made = self.replayed = 0

    def run(self, call):
        return call()

    def record(self, call):
        with Noted() as noted:
            result = call()
        noted.undo()
        self.made += 1

        @torch.no_grad()
        def replayed():
            self.replayed += 1
            for func, args, kwargs, out in noted.operations:
                again = tree_leaves(func(*args, **kwargs))
                for old, new in zip(tree_leaves(out), again, strict=True):
                    if isinstance(old, torch.Tensor) and old.data_ptr() != new.data_ptr():
                        old.copy_(new)
            return result

        return replayed


@pytest.fixture
def tape(monkeypatch):
    """A tape, and optimisers of torch that may be recorded on the CPU."""
    module = importlib.import_module("torch.optim.adam")
    monkeypatch.setattr(module, "_get_capturable_supported_devices", lambda: ["cpu", "cuda"])
    return Tape()


def network(seed=0):
    family = BWReLU(width=16, depth=3, kernel="torch")
    return family.build(2, generator=torch.Generator().manual_seed(seed))


def wanted():
    y, x = GRID.coordinates().unbind(-1)
    return torch.exp(-4 * (x - 0.2) ** 2 - 6 * y**2)


def whole_images(iterations=12):
    A = Matrix()
    weight = RampFilter(GEOMETRY, 2.0, exponent=0.5, normalised=True)
    observation = Observation(A, A(wanted()), weight)
    return Stage(GRID, (observation,), iterations, schedule=cosine)


def splitting():
    image = wanted()
    return Splitting(GRID, lambda x: x + 0.5 * (image - x), 3, 5, part=0.3, schedule=cosine)


def taken(stages, recorder=None, optimizer=None, net=None):
    net = net or network()
    how = {} if optimizer is None else {"optimizer": optimizer}
    steps = fit_steps(net, stages, recorder=recorder, **how)
    found = [(step.loss, step.image.clone()) for step in steps]
    return [loss for loss, _ in found], [image for _, image in found], net


def assert_same(one, other, rtol=1e-4):
    for a, b in zip(one[0], other[0], strict=True):
        assert a == pytest.approx(b, rel=rtol)
    pairs = [*zip(one[1], other[1], strict=True)]
    pairs += [*zip(one[2].parameters(), other[2].parameters(), strict=True)]
    for a, b in pairs:
        torch.testing.assert_close(a, b, rtol=rtol, atol=rtol * float(b.detach().abs().max()))


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind, optimizer",
    [
        (whole_images, MuonAdam(0.02, 3e-3)),
        (splitting, MuonAdam(0.02, 3e-3)),
        (splitting, AdamOnly(5e-3)),
    ],
)
def test_replayed_steps_are_the_steps(tape, kind, optimizer):
    plain, recorded = (taken((kind(),), each, optimizer) for each in (None, tape))
    assert_same(recorded, plain)
    # Gradient and update, each recorded once after its first calls.
    assert (tape.made, tape.replayed) == (2, 2 * (len(plain[0]) - WARM_UP))
    assert plain[0][-1] < 0.7 * plain[0][WARM_UP]
    # What steps saw differs, so that a replay of the same would be another.
    assert len(set(plain[0])) == len(plain[0])


@pytest.mark.slow
def test_every_stage_is_recorded_anew(tape):
    stages = (splitting(), whole_images(5))
    assert_same(taken(stages, tape), taken(stages))
    assert tape.made == 4


@pytest.mark.slow
def test_activations_of_few_points_at_a_time_are_recorded_too(tape):
    stage = replace(whole_images(6), points_at_once=50)
    assert_same(taken((stage,), tape), taken((stage,)))


def test_a_loss_that_is_no_number_is_seen_in_a_replay(tape):
    net, good = network(), None
    last_good = LastGood(net)
    stage = whole_images(9)
    steps = fit_steps(net, (stage,), last_good=last_good, recorder=tape)
    with pytest.raises(Diverged, match="iteration 7"):
        for step in steps:
            if step.index == 5:
                good = [each.detach().clone() for each in net.parameters()]
            if step.index == 6:
                with torch.no_grad():
                    net.output.weight.fill_(torch.nan)
    now = list(net.parameters())
    assert good is not None and all(torch.equal(a, b) for a, b in zip(now, good, strict=True))


@pytest.mark.slow
def test_it_goes_on_from_a_checkpoint_to_the_same_bits(tape, monkeypatch):
    def fitted(checkpoint=None, observers=()):
        net = network()
        given = {"checkpoint": checkpoint, "observers": observers, "precision": "float32"}
        stage = whole_images()
        return fit(net, stage.observations, grid=GRID, iterations=12, graphs=True, **given)

    monkeypatch.setattr(fitting, "recorder_on", lambda device: tape)
    whole, store = fitted(), Memory()
    partly = fitted(store, [EndsAt(12, 7)])
    assert partly.iterations == 6 and store.state is not None
    after = fitted(store)
    assert after.iterations == 12 and torch.equal(after.image, whole.image)
    assert after.losses == whole.losses
    # A fit without graphs differs in its roundings, and is another one.
    fitted(store := Memory(), [EndsAt(12, 7)])
    observations = whole_images().observations
    with pytest.raises(ValueError, match=r"`checkpoint` must .* graphs True, now False"):
        fit(
            network(), observations, grid=GRID, iterations=12, checkpoint=store, precision="float32"
        )


def test_where_nothing_can_be_recorded_it_is_an_error():
    stage = whole_images()
    message = r"`graphs` must be left out but for networks on a CUDA card; got a network on cpu"
    with pytest.raises(ValueError, match=message):
        fit(network(), stage.observations, grid=GRID, iterations=4, graphs=True)
    A = Projector(GEOMETRY, GRID)
    with pytest.raises(ValueError, match=message):
        inr(A, A(wanted()), recipe=Recipe(graphs=True))


@pytest.mark.slow
def test_a_field_is_recorded_too(tape, monkeypatch):
    A = Projector(GEOMETRY, GRID)
    recipe = Recipe(prior="tv", weight=1e-3, warm=6, rounds=2, refit=1, steps=6, finish=0)
    given = {"family": BWReLU(width=16, depth=2, kernel="torch"), "seed": 1}
    plain = inr(A, A(wanted()), recipe=recipe, **given)
    monkeypatch.setattr(field, "recorder_on", lambda device: tape)
    recorded = inr(A, A(wanted()), recipe=replace(recipe, graphs=True), **given)
    assert tape.made == 6 and recorded.losses == pytest.approx(plain.losses, rel=1e-3)
    assert recorded.parameters["graphs"] and not plain.parameters["graphs"]


def test_optimisers_that_cannot_be_recorded_are_named(tape):
    def sgd(net):
        return [torch.optim.SGD(net.parameters(), lr=1e-3)]

    with pytest.raises(ValueError, match=r"`optimizer` must be one of torch's .*; got SGD"):
        taken((whole_images(),), tape, sgd)


def test_optimisers_keep_their_state_and_rates():
    weight = torch.nn.Parameter(torch.ones(3, 3))
    adam, muon = torch.optim.Adam([weight], lr=0.25), Muon([weight], lr=0.125)
    weight.grad = torch.eye(3)
    adam.step()
    before = adam.state[weight]["exp_avg"].clone()
    make_recordable([adam, muon])
    make_recordable([adam, muon])
    assert [float(one.param_groups[0]["lr"]) for one in (adam, muon)] == [0.25, 0.125]
    assert adam.param_groups[0]["capturable"] and "capturable" not in muon.param_groups[0]
    assert torch.equal(adam.state[weight]["exp_avg"], before)
    assert float(adam.state[weight]["step"]) == 1
    plain, other = (torch.nn.Parameter(torch.ones(4, 2)) for _ in range(2))
    for matrix, rate in ((plain, 0.1), (other, torch.tensor(0.1))):
        matrix.grad = torch.arange(8.0).reshape(4, 2)
        one = Muon([matrix], lr=0.1)
        one.param_groups[0]["lr"] = rate
        one.step()
    torch.testing.assert_close(plain, other)


def test_a_call_is_recorded_after_its_first_ones(tape):
    source, made = torch.zeros(2), []

    def call():
        made.append(1)
        return source * 2 + len(made)

    recorded, found = Recorded(call, tape), []
    for value in range(7):
        source.fill_(value)
        found.append(recorded())
    # It is called no more; Python's numbers stay as they were, tensors do not.
    assert len(made) == WARM_UP + 1
    assert [float(each[0]) for each in found[:WARM_UP]] == [1.0, 4.0, 7.0]
    assert float(found[-1][0]) == 12 + WARM_UP + 1
    assert all(each is found[WARM_UP] for each in found[WARM_UP:])


def test_the_tape_refuses_what_a_card_would(tape):
    recorded = Recorded(lambda: torch.ones(1).item(), tape)
    for _ in range(WARM_UP):
        recorded()
    with pytest.raises(AssertionError, match="cannot be recorded"):
        recorded()


@requires("cuda")
@pytest.mark.parametrize("optimizer", [MuonAdam(0.02, 3e-3), AdamOnly(5e-3)], ids=str)
def test_a_graph_on_a_card_takes_the_same_steps(optimizer):
    def fitted(graphs):
        net = BWReLU(width=32).build(2, generator=torch.Generator().manual_seed(0)).to("cuda")
        A = Projector(GEOMETRY, GRID)
        data = A(wanted().to("cuda"))
        given = {"optimizer": optimizer, "graphs": graphs, "precision": "float32"}
        return fit(net, Observation(A, data), grid=GRID, iterations=30, **given)

    plain, recorded = fitted(False), fitted(True)
    assert recorded.losses == pytest.approx(plain.losses, rel=1e-2)
    torch.testing.assert_close(recorded.image, plain.image, rtol=1e-2, atol=1e-3)


@requires("cuda")
def test_what_a_card_cannot_record_is_an_error():
    from ctinr.recon.graphs import Card

    recorded = Recorded(lambda: torch.ones(1, device="cuda").item(), Card(torch.device("cuda")))
    for _ in range(WARM_UP):
        recorded()
    with pytest.raises(ValueError, match=r"`graphs` must be asked for what can be recorded"):
        recorded()
