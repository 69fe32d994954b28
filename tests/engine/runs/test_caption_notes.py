"""What training does with captions is told: chunks, late trigger words, marks, and prose left as written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from captioned import dataset_of
from hypothesis import given, settings
from hypothesis import strategies as st
from lora_workbench.engine.core.errors import CaptionError
from lora_workbench.engine.core.events import Message
from lora_workbench.engine.data.caption_tokens import caption_tokens, prompt_lines
from lora_workbench.engine.data.dataset import TriggerWord
from lora_workbench.engine.data.limits import MAX_CHARACTERS
from lora_workbench.engine.data.loading import dataset_from_images
from lora_workbench.engine.data.marks import unmarked
from lora_workbench.engine.models import registry
from lora_workbench.engine.models.contract import Backbone
from lora_workbench.engine.runs.caption_notes import caption_notes
from lora_workbench.engine.runs.key import Run
from lora_workbench.engine.runs.store import RunStore
from lora_workbench.engine.runs.train import train_adapter
from lora_workbench.engine.training.recipe import Recipe
from PIL import Image

LONG = "a red animal on the ground with a bushy tail in front of a green forest with many trees, "
ZWX = TriggerWord(word="zwx")


@pytest.fixture(scope="module")
def base(tiny_sd1: Path) -> Backbone:
    return registry.load_base(tiny_sd1, device="cpu")


def run_of(base: Backbone, *captions: str, trigger: TriggerWord | None = None, **recipe: Any) -> Run:
    dataset = dataset_of({f"{n}.png": caption for n, caption in enumerate(captions)}, trigger)
    return Run(base=base, dataset=dataset, recipe=Recipe.of(**recipe), regularization=None, seed=0)


def notes(base: Backbone, *captions: str, **settings: Any) -> str:
    return "\n".join(caption_notes(run_of(base, *captions, **settings)))


def test_short_tags_need_no_words(base: Backbone):
    assert not notes(base, "a zwx fox, snow", trigger=ZWX)


def test_long_captions_and_late_trigger_words_are_named(base: Backbone):
    told = notes(base, f"{LONG * 2}zwx", "zwx, fox", trigger=ZWX)
    assert "1 of 2 captions are longer than the 30 tokens" in told
    assert "0.png (43 tokens in 2 chunks" in told or "0.png (" in told
    assert "the trigger word 'zwx' comes after the first chunk in: 0.png" in told
    assert "1.png" not in told


def test_a_divided_trigger_word_is_named(base: Backbone):
    apart = [" ".join(["fox"] * n + ["zwxqj"]) for n in range(20, 30)]
    dataset = dataset_of({f"{n}": caption for n, caption in enumerate(apart)}, TriggerWord(word="zwxqj"))
    found = caption_tokens(base, dataset)
    assert found.divided
    assert "is divided between two chunks" in "\n".join(found.lines())


@settings(deadline=None, max_examples=40)
@given(st.lists(st.sampled_from(["fox", "zwx", "1.2", ",", "狐", "|||", "x" * 40]), max_size=60).map(" ".join))
def test_no_token_is_lost_unsaid(base: Backbone, caption: str):
    """Either one chunk holds everything, or it is said how many do."""
    tokens = len(base.tokenize(unmarked(caption))["text_encoder"])
    long = caption_tokens(base, dataset_of({"a": caption}, ZWX)).long
    assert (tokens > 30) == ("a" in long)
    if long:
        assert long["a"].chunks == -(-tokens // 30)
        chunks = base.encode_prompts([unmarked(caption)])["states"].shape[1] // 32
        assert chunks == long["a"].chunks


def test_absurd_captions_are_refused_before_any_work(base: Backbone):
    with pytest.raises(CaptionError, match=r"0\.png \(16,000,000\)"):
        run_of(base, "x" * 16_000_000).check()
    told = caption_tokens(base, dataset_of({"a": "x" * (MAX_CHARACTERS + 1)})).lines()
    assert told == ["1 captions are longer than 20,000 characters: a (20,001 characters)"]


def test_prose_is_named_where_tags_are_to_change(base: Backbone):
    told = notes(base, "A zwx fox sits in the snow, at night.", "zwx, a, b", caption_shuffle=3, tag_dropout=0.2)
    assert "caption_shuffle and tag_dropout leave 1 captions as written, since they aren't lists of tags: 0.png" in told
    assert "no effect" not in told
    assert "tag_dropout has no effect" in notes(base, "A zwx fox sits in the snow, at night.", tag_dropout=0.2)


@pytest.mark.parametrize(
    ("caption", "mark"),
    [
        ("ohwx, ||| red fur", "|||"),
        ("{a|an old} fox", "{a|b}"),
        ("a photo of [name]", "[name]"),
        ("a photo, [filewords]", "[filewords]"),
        ("a __color__ fox", "__wildcard__"),
        ("(red fur:1.2), fox", "(tag:1.2)"),
        ("((red fur)), fox", "((tag))"),
        ("fox <lora:fur:0.8>", "<lora:…>"),
        ("embedding:fur, fox", "embedding:…"),
        (r"fox \(series\)", r"\("),
        ("fox BREAK snow", "BREAK"),
        ("a fox in snow\na red fox asleep", "several lines"),
        ("fox;;;red, snow", ";;;"),
    ],
)
def test_marks_of_other_programs_are_named(base: Backbone, caption: str, mark: str):
    assert mark in notes(base, caption)


@pytest.mark.parametrize(
    "caption", ["fox (series), snow", "at 9:30 (9:30)", '{"a": "[b|c]"}', ":), ^_^, o_o", "score_9, [x]", "a break"]
)
def test_what_is_no_mark_is_not_named(base: Backbone, caption: str):
    assert not notes(base, caption)


def test_notes_are_told_and_kept(base: Backbone, tmp_path: Path):
    dataset = dataset_from_images([Image.new("RGB", (32, 32))], [f"{LONG}zwx ||| fox"], "x")
    recipe = Recipe.of(steps=1, rank=1, tag_dropout=0.5, warmup_steps=0)
    for _ in range(2):
        events = train_adapter(base, dataset, recipe, seed=0, store=RunStore(tmp_path), name="x")
        told, trained = [], None
        while trained is None:
            try:
                event = next(events)
            except StopIteration as stop:
                trained = stop.value
            else:
                told += [event.text] if isinstance(event, Message) else []
        assert len(trained.notes) == 2
        assert [f"x: {note}" for note in trained.notes] == told[:2]
    assert trained.cached


def test_the_trigger_word_is_in_the_key_where_it_guards_tags(base: Backbone):
    def lineage(word: str, **recipe: Any) -> str:
        return run_of(base, "zwx, abc", trigger=TriggerWord(word=word), **recipe).lineage

    assert lineage("zwx") == lineage("abc")
    assert lineage("zwx", tag_dropout=0.1) != lineage("abc", tag_dropout=0.1)


def test_prompts_of_several_chunks_are_named(base: Backbone):
    assert prompt_lines(base, ["a fox"]) == []
    [line] = prompt_lines(base, ["a fox", LONG * 2])
    assert line.startswith('the prompt "a red animal')
