"""Class pictures are generated once, depend only on the request, and continue where a run stopped."""

from __future__ import annotations

from dataclasses import replace

import pytest
from generators import finish
from lora_workbench.engine.core.events import Message, Progress
from lora_workbench.engine.generation.batch import GenerationRequest
from lora_workbench.engine.generation.class_pictures import class_pictures
from lora_workbench.engine.models import registry

REQUEST = GenerationRequest(prompts=("a dog", "a cat"), seeds=(5,), steps=2, guidance=1.0, batch_size=2)


@pytest.fixture(scope="module")
def base(tiny_sd1):
    return registry.load_base(tiny_sd1, device="cpu")


def generated_by(events):
    """(the data set, number of pictures generated, messages)."""
    dataset, seen = finish(events)
    ends = [event for event in seen if isinstance(event, Progress) and event.done == event.total]
    generated = sum(event.total // REQUEST.steps for event in ends)
    return dataset, generated, [event.text for event in seen if isinstance(event, Message)]


def test_prompts_take_turns_and_nothing_is_generated_twice(base, tmp_path):
    first, generated, _ = generated_by(class_pictures(base, REQUEST, 5, tmp_path))
    assert [record.caption for record in first] == ["a dog", "a cat", "a dog", "a cat", "a dog"]
    assert generated == 5
    assert len({record.content_hash for record in first}) == 5
    again, generated, said = generated_by(class_pictures(base, REQUEST, 5, tmp_path))
    assert generated == 0 and said == ["5 of 5 class pictures already exist"]
    assert again.content_hash == first.content_hash


def test_more_pictures_continue_the_earlier_ones(base, tmp_path):
    """Of a batch that was begun, what is there is kept, though it takes part again."""
    few, _, _ = generated_by(class_pictures(base, REQUEST, 3, tmp_path))
    more, generated, _ = generated_by(class_pictures(base, REQUEST, 6, tmp_path))
    assert generated == 4
    assert [r.content_hash for r in more.records[:3]] == [r.content_hash for r in few]


def test_an_interrupted_run_loses_only_unfinished_pictures(base, tmp_path):
    events = class_pictures(base, REQUEST, 6, tmp_path)
    batches = 0
    while batches < 2:
        batches += isinstance(event := next(events), Progress) and event.done == REQUEST.steps * 2
    next(events, None)
    events.close()
    kept = len(list(tmp_path.rglob("*.png")))
    rest, generated, _ = generated_by(class_pictures(base, REQUEST, 6, tmp_path))
    assert kept >= 2 and generated == 6 - kept
    assert len(rest) == 6


def test_a_batch_that_was_half_saved_ends_in_the_same_bits(base, tmp_path):
    whole, _, _ = generated_by(class_pictures(base, REQUEST, 4, tmp_path / "whole"))
    generated_by(class_pictures(base, REQUEST, 4, tmp_path / "broken"))
    for path in sorted((tmp_path / "broken").rglob("*.png"))[2:]:
        path.unlink()
    again, _, _ = generated_by(class_pictures(base, REQUEST, 4, tmp_path / "broken"))
    assert again.content_hash == whole.content_hash


@pytest.mark.parametrize(
    "change", [{"seeds": (6,)}, {"steps": 3}, {"prompts": ("a dog", "a fox")}, {"guidance": 2.0}, {"width": 64}]
)
def test_other_requests_give_other_pictures(base, tmp_path, change):
    generated_by(class_pictures(base, REQUEST, 2, tmp_path))
    _, _, said = generated_by(class_pictures(base, replace(REQUEST, **change), 2, tmp_path))
    assert said == []


def test_a_damaged_picture_is_generated_again(base, tmp_path):
    first, _, _ = generated_by(class_pictures(base, REQUEST, 2, tmp_path))
    path = sorted(tmp_path.rglob("*.png"))[1]
    path.write_bytes(path.read_bytes()[:40])
    again, generated, _ = generated_by(class_pictures(base, REQUEST, 2, tmp_path))
    assert generated == 1 and again.content_hash == first.content_hash
