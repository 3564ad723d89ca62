"""CUDA graphs: the kernels of a step recorded once, and started as one from then on.

A card is often done with a small network's kernels before Python has started the next ones.
Recorded, all of them are started at once. What is recorded works on the same memory, with the same
Python numbers, whenever it is replayed: so gradients, losses and what a step sees stay where they
are, and learning rates are tensors. A step is two recordings, since between the gradient and the
update the host looks whether the loss is finite, and parameters are kept for the case that it is
not.

This follows "Whole-network capture" of PyTorch's notes on CUDA semantics. It has not been run on a
card; tests record and replay the operations of a step on the CPU.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from ctinr import checks
from ctinr.recon.muon import Muon

# Calls before the recording: libraries choose their algorithms, kernels are compiled, optimisers
# make their state.
WARM_UP = 3
CAPTURABLE = "capturable"


class Recorder(Protocol):
    """Where calls can be recorded and replayed."""

    def run(self, call: Callable[[], Any]) -> Any:
        """Return what a call returns, made as it is, but where a recording can follow it."""
        ...

    def record(self, call: Callable[[], Any]) -> Callable[[], Any]:
        """Record a call; return one that replays it, and whose result is at the same place."""
        ...


class Card:
    """Records on a CUDA card.

    Parameters
    ----------
    device : torch.device
        The card.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        # Recordings are made on a stream of their own, and the calls before them as well, since
        # gradients are summed on the stream that first met their parameters.
        self._stream = torch.cuda.Stream(device)

    def run(self, call: Callable[[], Any]) -> Any:
        """Return what a call returns, made on the stream of the recordings."""
        here = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(here)
        with torch.cuda.stream(self._stream):
            result = call()
        here.wait_stream(self._stream)
        return result

    def record(self, call: Callable[[], Any]) -> Callable[[], Any]:
        """Record a call, which is not run yet; a ValueError tells that it cannot be."""
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.device(self._device), torch.cuda.graph(graph, stream=self._stream):
                result = call()
        except RuntimeError as error:
            rule, remedy = "be asked for what can be recorded", "Leave it out."
            raise ValueError(checks.message("graphs", rule, f"{error}"[:200], remedy)) from error

        def replayed() -> Any:
            graph.replay()
            return result

        return replayed


class Recorded:
    """A call that is made as it is for a few times, then recorded, and replayed from then on.

    Parameters
    ----------
    call : callable
        Without arguments; what it depends on is in tensors that stay where they are.
    recorder : Recorder
        Where it is recorded.
    """

    def __init__(self, call: Callable[[], Any], recorder: Recorder) -> None:
        self._call, self._recorder, self._made = call, recorder, 0
        self._replay: Callable[[], Any] | None = None

    def __call__(self) -> Any:
        """Return the result of the call, from then on always at the same place."""
        if self._made < WARM_UP:
            self._made += 1
            return self._recorder.run(self._call)
        if self._replay is None:
            self._replay = self._recorder.record(self._call)
        return self._replay()


def recorder_on(device: torch.device) -> Recorder:
    """Return what records on a device; a ValueError tells that nothing can be recorded there."""
    rule, remedy = "be left out but for networks on a CUDA card", "Put network and data on one."
    checks.require(device.type == "cuda", "graphs", rule, f"a network on {device.type}", remedy)
    return Card(device)


def make_recordable(optimizers: Sequence[torch.optim.Optimizer]) -> None:
    """Let optimisers take their rates and counts from tensors; a ValueError tells which cannot.

    Whatever state they have is kept. To be called again after a state was loaded.
    """
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            rule = "be one of torch's that have `capturable`, such as Adam, or Muon"
            able = isinstance(optimizer, Muon) or CAPTURABLE in group
            checks.require(able, "optimizer", rule, type(optimizer).__name__, "Leave out `graphs`.")
            device = group["params"][0].device
            group["lr"] = torch.as_tensor(group["lr"], dtype=torch.float32, device=device)
            if CAPTURABLE in group:
                group[CAPTURABLE] = True
        # The first steps are not recorded, on purpose; torch would warn of that.
        optimizer._warned_capturable_if_run_uncaptured = True  # type: ignore[attr-defined]
        for parameter, state in optimizer.state.items():
            if isinstance(state.get("step"), Tensor):
                state["step"] = state["step"].to(parameter.device, torch.float32)
