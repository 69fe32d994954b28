"""Pictures that are drawn once: read again, drawn on after a cancel to the same bits, and drawn anew where anything
that they depend on differs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lora_workbench.engine.adapters.adapter import Adapter
from lora_workbench.engine.adapters.kinds import LowRank
from lora_workbench.engine.adapters.stack import Stack, StackEntry
from lora_workbench.engine.core.cache import PictureCache
from lora_workbench.engine.core.events import Progress
from lora_workbench.engine.generation.batch import GenerationRequest, generate
from lora_workbench.engine.generation.kept import KeptColumn, kept_columns
from lora_workbench.engine.models.contract import Backbone
from lora_workbench.engine.models.registry import load_base

REQUESTS = [GenerationRequest(prompts=(prompt,), steps=2, guidance=2.0) for prompt in ("a fox", "a cow", "a car")]


@pytest.fixture(scope="module")
def base(tiny_sd1: Path) -> Backbone:
    return load_base(tiny_sd1, device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def stack(base: Backbone) -> Stack:
    """An adapter of one layer."""
    key = next(key for key in base.module_shapes() if key.endswith("to_q"))
    out, inner = base.module_shapes()[key][:2]
    generator = torch.Generator().manual_seed(0)
    update = LowRank(
        up=torch.randn(out, 2, generator=generator), down=torch.randn(2, inner, generator=generator), alpha=2.0
    )
    adapter = Adapter(name="zwx", family=base.info.family, modules={key: update}, key_style="kohya", metadata={})
    return Stack((StackEntry(adapter),))


@pytest.fixture
def cache(tmp_path: Path) -> PictureCache:
    return PictureCache(tmp_path / "drawn")


def drawn(base: Backbone, stacks: list[Callable[[], Stack]], cache: PictureCache, **changes: Any) -> list[KeptColumn]:
    events = kept_columns(base, [replace(own, **changes) for own in REQUESTS], stacks, cache)
    while True:
        try:
            next(events)
        except StopIteration as finished:
            return finished.value


def pixels(columns: list[KeptColumn]) -> np.ndarray:
    return np.stack([[np.asarray(own.image) for own in column.pictures] for column in columns])


def files(cache: PictureCache) -> dict[Path, int]:
    return {path: path.stat().st_ino for path in cache.folder.rglob("*.png")}


def test_they_are_those_of_the_generator(base: Backbone, stack: Stack, cache: PictureCache) -> None:
    plain, adapted = drawn(base, [Stack, lambda: stack], cache)
    for column, of in ((plain, Stack()), (adapted, stack)):
        for request, own in zip(REQUESTS, column.pictures, strict=True):
            [expected] = _finished(generate(base, request, of))
            assert np.array_equal(np.asarray(own.image), np.asarray(expected.image))
            assert (own.prompt, own.seed, own.label) == (expected.prompt, expected.seed, expected.label)
    assert not np.array_equal(*pixels([plain, adapted]))


def test_what_was_drawn_is_read(base: Backbone, stack: Stack, cache: PictureCache) -> None:
    first, before = drawn(base, [Stack, lambda: stack], cache), files(cache)
    assert np.array_equal(pixels(first), pixels(drawn(base, [Stack, lambda: stack], cache)))
    assert files(cache) == before and len(before) == 6


@pytest.mark.parametrize("changes", [{"seeds": (1,)}, {"steps": 1}, {"guidance": 1.0}, {"width": 64}])
def test_whatever_they_depend_on_makes_others(base: Backbone, cache: PictureCache, changes: dict[str, Any]) -> None:
    drawn(base, [Stack], cache)
    drawn(base, [Stack], cache, **changes)
    assert len(files(cache)) == 6
    drawn(base, [Stack], cache, batch_size=1)
    assert len(files(cache)) == 6, "the batch size changes nothing"


def test_a_cancel_loses_the_picture_in_progress_alone(base: Backbone, stack: Stack, cache: PictureCache) -> None:
    events = kept_columns(base, REQUESTS, [Stack, lambda: stack], cache)
    with contextlib.closing(events):
        while not (isinstance(event := next(events), Progress) and event.done == 4):
            pass
        next(events)  # in the middle of the fifth
    before = files(cache)
    assert len(before) == 4
    whole = pixels(drawn(base, [Stack, lambda: stack], cache))
    assert before.items() <= files(cache).items(), "those that were there are read"
    other = PictureCache(cache.folder.with_name("other"))
    assert np.array_equal(whole, pixels(drawn(base, [Stack, lambda: stack], other)))
    assert np.array_equal(pixels(drawn(base, [Stack], other)), whole[:1]), "the base model is as it was"


def test_a_damaged_file_is_drawn_again(base: Backbone, cache: PictureCache) -> None:
    first = pixels(drawn(base, [Stack], cache))
    for path, data in zip(files(cache), (b"", b"no picture", b"\x89PNG"), strict=True):
        path.write_bytes(data)
    assert np.array_equal(first, pixels(drawn(base, [Stack], cache)))


def test_adapters_are_only_asked_for_when_it_is_their_turn(base: Backbone, cache: PictureCache) -> None:
    asked = []

    def stack_of(number: int) -> Callable[[], Stack]:
        def give() -> Stack:
            asked.append((number, len(files(cache))))
            return Stack()

        return give

    drawn(base, [stack_of(0), stack_of(1)], cache)
    assert asked == [(0, 0), (1, 3)]


def _finished(events: Any) -> Any:
    while True:
        try:
            next(events)
        except StopIteration as finished:
            return finished.value
