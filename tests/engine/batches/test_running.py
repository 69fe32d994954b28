"""A batch: the pictures of Generate, each once, resumed to the same bits after whatever stops it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lora_workbench.engine.adapters.stack import Stack, StackEntry
from lora_workbench.engine.batches import drawing
from lora_workbench.engine.batches.axes import adapters_axis, plain_axis, weights_axis
from lora_workbench.engine.batches.drawn import DrawnBatch
from lora_workbench.engine.batches.jobs import Job
from lora_workbench.engine.batches.running import Batch, draw_batch
from lora_workbench.engine.batches.sweep import Sweep
from lora_workbench.engine.core.events import Message
from lora_workbench.engine.generation.batch import GenerationRequest, generate, stack_label
from lora_workbench.engine.generation.png import read_parameters
from lora_workbench.engine.models.contract import Backbone
from lora_workbench.engine.models.registry import load_base
from random_adapters import random_adapter

PROMPTS, SEEDS = ("a fox", "a red car"), (0, 1, 2)
SETTINGS: dict[str, Any] = {"steps": 2, "guidance": 2.0}


@pytest.fixture(scope="module")
def base(tiny_sd1: Path) -> Backbone:
    return load_base(tiny_sd1, device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def entries(base: Backbone) -> list[StackEntry]:
    """The second also changes the text encoder."""
    return [StackEntry(random_adapter(base, name, seed, text=bool(seed))) for seed, name in enumerate(("fox", "riso"))]


@pytest.fixture(scope="module")
def jobs(entries: list[StackEntry]) -> list[Job]:
    columns = Sweep().adding(adapters_axis([[entry] for entry in entries], without=True))
    return columns.within(plain_axis("prompt", PROMPTS), plain_axis("seed", SEEDS)).jobs(Job(**SETTINGS))


def finish(events: Any) -> Any:
    while True:
        try:
            next(events)
        except StopIteration as finished:
            return finished.value


def drawn(base: Backbone, jobs: Sequence[Job], folder: Path, **changes: Any) -> DrawnBatch:
    return finish(draw_batch(base, Batch(name="test", jobs=jobs, folder=folder, **{"batch_size": 4, **changes})))


def bits(batch: DrawnBatch) -> list[bytes]:
    return [path.read_bytes() for path in batch.paths]


def manifest(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "manifest.jsonl").read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def whole(base: Backbone, jobs: list[Job], tmp_path_factory: pytest.TempPathFactory) -> DrawnBatch:
    return drawn(base, jobs, tmp_path_factory.mktemp("whole"))


def test_pictures_are_those_of_generate(base: Backbone, entries: list[StackEntry], whole: DrawnBatch):
    request = GenerationRequest(prompts=PROMPTS, seeds=SEEDS, batch_size=4, **SETTINGS)
    stacks = [Stack(), *(Stack((entry,)) for entry in entries)]
    expected = [picture for stack in stacks for picture in finish(generate(base, request, stack))]
    assert [(one.prompt, one.seed, one.label) for one in whole] == [(o.prompt, o.seed, o.label) for o in expected]
    for one, other in zip(whole, expected, strict=True):
        assert np.array_equal(np.asarray(one.image), np.asarray(other.image))
    assert len({np.asarray(picture.image).tobytes() for picture in whole}) == len(whole)


def test_the_manifest_and_the_pictures_tell_all(whole: DrawnBatch):
    lines = manifest(whole.folder)
    assert sorted(line["file"] for line in lines) == sorted(p.relative_to(whole.folder).as_posix() for p in whole.paths)
    [line] = [one for one in lines if one["places"] == [{"adapters": "riso", "prompt": "a red car", "seed": "2"}]]
    assert (line["prompt"], line["seed"], line["steps"], line["width"]) == ("a red car", 2, 2, 32)
    assert [(a["name"], a["weight"]) for a in line["adapters"]] == [("riso", 1.0)]
    about = read_parameters(whole.folder / line["file"])
    assert about == {name: value for name, value in line.items() if name not in ("file", "places")}


@pytest.mark.parametrize("stop_after", [3, 9, 14])
def test_a_canceled_batch_goes_on_to_the_same_bits(
    base: Backbone, jobs: list[Job], whole: DrawnBatch, tmp_path: Path, stop_after: int
):
    events = draw_batch(base, Batch(name="test", jobs=jobs, folder=tmp_path, batch_size=4))
    with closing(events):
        for _ in events:
            if len(list(tmp_path.glob("pictures/*.png"))) >= stop_after:
                break
    there = {path: path.stat().st_mtime_ns for path in tmp_path.glob("pictures/*.png")}
    resumed = drawn(base, jobs, tmp_path)
    assert resumed.drawn == len(jobs) - len(there)
    assert all(path.stat().st_mtime_ns == time for path, time in there.items())
    assert bits(resumed) == bits(whole)
    assert resumed.manifest.read_bytes() == whole.manifest.read_bytes()


def test_a_chunk_cut_in_the_middle_is_completed_to_the_same_bits(
    base: Backbone, jobs: list[Job], whole: DrawnBatch, tmp_path: Path
):
    """The process was killed between two pictures that are drawn at once, while it wrote to the manifest."""
    first = drawn(base, jobs, tmp_path)
    for path in first.paths[5:]:
        path.unlink()
    lines = first.manifest.read_bytes().splitlines(keepends=True)
    first.manifest.write_bytes(b"".join(lines[:4]) + lines[4][:50])
    resumed = drawn(base, jobs, tmp_path)
    assert resumed.drawn == len(jobs) - 5
    assert bits(resumed) == bits(whole)
    assert resumed.manifest.read_bytes() == whole.manifest.read_bytes()


def test_a_damaged_picture_is_drawn_again(base: Backbone, jobs: list[Job], whole: DrawnBatch, tmp_path: Path):
    first = drawn(base, jobs, tmp_path)
    first.paths[7].write_bytes(first.paths[7].read_bytes()[:-30])
    assert drawn(base, jobs, tmp_path).drawn == 1
    assert bits(first) == bits(whole)


def test_a_longer_batch_draws_only_what_is_new(base: Backbone, jobs: list[Job], tmp_path: Path):
    drawn(base, jobs, tmp_path)
    more = [*jobs, *(replace(job, seed=9, places={**job.places, "seed": "9"}) for job in jobs if job.seed == 0)]
    batch = drawn(base, more, tmp_path)
    assert batch.drawn == len(more) - len(jobs)
    assert len(manifest(tmp_path)) == len(more)
    shorter = drawn(base, jobs[:3], tmp_path)
    assert shorter.drawn == 0
    assert len(manifest(tmp_path)) == len(more)


def test_jobs_that_ask_for_the_same_picture_share_it(base: Backbone, entries: list[StackEntry], tmp_path: Path):
    """Weights of no adapter are one picture, in all places of its column."""
    sweep = Sweep().adding(adapters_axis([entries[:1]], without=True)).adding(weights_axis([0.5, 1.0], without=False))
    batch = drawn(base, sweep.jobs(Job(prompt="a fox", **SETTINGS)), tmp_path)
    assert len(batch) == 4
    assert batch.drawn == len(manifest(tmp_path)) == 3
    assert [picture.label for picture in batch] == ["base", "base", "fox 0.5", "fox 1"]
    places = [line["places"] for line in manifest(tmp_path)]
    assert [{"adapters": "no adapter", "weight": "0.5"}, {"adapters": "no adapter", "weight": "1"}] in places


def test_each_stack_is_applied_once_and_prompts_are_encoded_once_per_text_encoder(
    base: Backbone, entries: list[StackEntry], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Also where seeds vary slowest. Two of the three stacks leave the text encoder alone."""
    encoded: list[str] = []
    stacks: list[str] = []
    encode, apply = type(base).encode_prompts, drawing.applied

    def counting(self: Backbone, prompts: Any, *rest: Any) -> Any:
        encoded.extend(prompts)
        return encode(self, prompts, *rest)

    def applying(backbone: Backbone, stack: Stack) -> Any:
        stacks.append(stack_label(stack))
        return apply(backbone, stack)

    monkeypatch.setattr(type(base), "encode_prompts", counting)
    monkeypatch.setattr(drawing, "applied", applying)
    columns = adapters_axis([[entry] for entry in entries], without=True)
    slow = Sweep().adding(plain_axis("seed", (0, 1))).adding(columns).within(plain_axis("prompt", PROMPTS))
    drawn(base, slow.jobs(Job(**SETTINGS)), tmp_path)
    assert stacks == ["base", "fox 1", "riso 1"]
    assert sorted(encoded) == sorted([*PROMPTS, ""] * 2)


def test_the_page_can_be_browsed(whole: DrawnBatch):
    page = (whole.folder / "index.html").read_text("utf-8")
    data = json.loads(page.split('type="application/json">')[1].split("</script>")[0])
    assert [axis["name"] for axis in data["axes"]] == ["adapters", "prompt", "seed"]
    assert all((whole.folder / picture["file"]).is_file() for picture in data["pictures"])
    assert len(data["pictures"]) == len(whole)


def test_no_prompt_ends_the_page_s_script(base: Backbone, tmp_path: Path):
    drawn(base, [Job(prompt="</script><b>x", places={"prompt": "</script><b>x"}, **SETTINGS)], tmp_path)
    page = (tmp_path / "index.html").read_text("utf-8")
    assert "</script><b>" not in page


def test_a_second_batch_in_the_folder_waits(base: Backbone, jobs: list[Job], tmp_path: Path):
    def told(events: Any) -> Iterator[str]:
        with closing(events):
            for event in events:
                if isinstance(event, Message):
                    yield event.text

    batch = Batch(name="test", jobs=jobs[:2], folder=tmp_path)
    first = draw_batch(base, batch)
    next(first)
    with closing(first):
        assert "waiting for process" in next(told(draw_batch(base, batch)))


def test_it_can_be_closed_by_another_thread(base: Backbone, jobs: list[Job], tmp_path: Path):
    events = draw_batch(base, Batch(name="test", jobs=jobs, folder=tmp_path))
    for event in events:
        if getattr(event, "done", 0):
            break
    closer = threading.Thread(target=events.close)
    closer.start()
    closer.join()
    assert drawn(base, jobs, tmp_path).drawn == len(jobs)
