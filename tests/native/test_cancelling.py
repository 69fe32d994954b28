"""A training that is canceled in a running ComfyUI: it stops at once, goes on later, and leaves no memory behind."""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple

import pytest
from comfyui_graphs import demo_training
from comfyui_server import Graph, Server
from lora_workbench.engine.training.state import TrainingState

pytestmark = [pytest.mark.comfyui, pytest.mark.slow]

STEPS, CANCELLED_AT = 24, 6
ROUNDS = 5


class Cancelled(NamedTuple):
    """A training that was interrupted."""

    asked_at: int
    """Steps done when the interruption was sent."""
    stopped_at: int
    """Steps in the training state."""
    seconds: float
    """From the interruption to ComfyUI's word that it has stopped."""


def cancel(server: Server, graph: Graph) -> Cancelled:
    """Interrupt a training of ``STEPS`` steps."""
    with server.listening() as client:
        number = server.queue(graph, client.name)
        step = client.wait_for_step("train", CANCELLED_AT, STEPS)
        began = time.monotonic()
        server.interrupt()
        assert client.wait_for_end() == "execution_interrupted"
        seconds = time.monotonic() - began
    assert server.ended(number).status == "interrupted"
    return Cancelled(step, newest_state(server).step, seconds)


def newest_state(server: Server) -> TrainingState:
    return TrainingState.load(
        max(server.store.glob("runs/*/*.state.safetensors"), key=lambda path: path.stat().st_mtime_ns)
    )


def test_it_stops_within_two_steps_and_goes_on_to_the_same_bits(server: Server) -> None:
    import torch

    canceled = cancel(server, demo_training(steps=STEPS, seed=11))
    print(canceled)
    assert CANCELLED_AT <= canceled.asked_at <= canceled.stopped_at <= canceled.asked_at + 2 < STEPS
    resumed = server.run(demo_training(steps=STEPS, seed=11)).report("train")
    assert (resumed["resumed_at"], resumed["steps"]) == (canceled.stopped_at, STEPS)
    in_two = newest_state(server)
    forget_trainings(server.store)
    assert not server.run(demo_training(steps=STEPS, seed=11, name="in one go")).report("train")["resumed_at"]
    in_one = newest_state(server)
    assert in_two.losses == in_one.losses
    assert all(torch.equal(in_two.values[name], factor) for name, factor in in_one.values.items())
    assert "Exception during processing" not in server.log.read_text()


def forget_trainings(store: Path) -> None:
    (store / "runs").rename(store / "runs before")


def test_it_gives_its_memory_back(server: Server) -> None:
    cancel(server, demo_training(steps=STEPS, seed=20))
    before = server.memory()
    after = []
    for number in range(ROUNDS):
        cancel(server, demo_training(steps=STEPS, seed=21 + number))
        after.append(server.memory())
    print(f"{before / 2**20:.0f} MiB, then", ", ".join(f"{memory / 2**20:.0f}" for memory in after))
    assert max(after) < 1.05 * before
