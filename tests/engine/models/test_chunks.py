"""Long prompts are encoded in chunks: no token is lost, and each prompt is what it would be alone."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lora_workbench.engine.core.errors import CaptionError
from lora_workbench.engine.models import registry
from lora_workbench.engine.models.chunks import LENGTHS, MAX_CHARACTERS, chunks_of
from lora_workbench.engine.models.contract import Backbone, Conditioning
from tiny import TOKENIZER, save_tiny_sdxl

LENGTH = 32
SHORT = ["a fox", "", "an emoji of a red apple on a white background"]
LONG = "a red fox in front of a green forest with many trees and a blue sky, " * 3


@pytest.fixture(scope="module")
def sd1(tiny_sd1: Path) -> Backbone:
    return registry.load_base(tiny_sd1, device="cpu")


@pytest.fixture(scope="module")
def sdxl(tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    return registry.load_base(save_tiny_sdxl(tmp_path_factory.mktemp("tiny_sdxl")), device="cpu")


@cache
def tokenizer():
    from transformers import CLIPTokenizer

    return CLIPTokenizer.from_pretrained(TOKENIZER)


def encoded(base: Backbone, *prompts: str) -> Conditioning:
    with torch.no_grad():
        return base.encode_prompts(prompts)


@settings(deadline=None)
@given(
    st.text(max_size=300) | st.lists(st.sampled_from(["fox", "zwx", ",", "1.2", "狐", "é"]), max_size=120).map(" ".join)
)
def test_no_token_is_lost(prompt: str):
    start, *tokens, end = tokenizer()(prompt, verbose=False).input_ids
    chunks = chunks_of(tokenizer(), prompt, LENGTH)
    assert all(len(chunk) == LENGTH and chunk[0] == start for chunk in chunks)
    inner = [chunk[1 : chunk.index(end, 1)] for chunk in chunks]
    assert [token for chunk in inner for token in chunk] == tokens
    assert all(len(chunk) == LENGTH - 2 for chunk in inner[:-1])
    assert len(chunks) == max(1, -(-len(tokens) // (LENGTH - 2)))


def test_short_prompts_are_encoded_as_transformers_pads_them(sd1: Backbone):
    ids = tokenizer()(SHORT, padding="max_length", truncation=True, max_length=LENGTH, return_tensors="pt").input_ids
    with torch.no_grad():
        alone = sd1.load_component("text_encoder")(ids)[0]
    assert torch.equal(encoded(sd1, *SHORT)["states"], alone)


def test_the_states_of_a_long_prompt_are_those_of_its_chunks(sd1: Backbone):
    chunks = chunks_of(tokenizer(), LONG, LENGTH)
    assert len(chunks) > 1
    with torch.no_grad():
        parts = sd1.load_component("text_encoder")(torch.tensor(chunks))[0]
    assert torch.equal(encoded(sd1, LONG)["states"], parts.flatten(0, 1)[None])


def test_the_end_of_a_long_prompt_counts(sd1: Backbone):
    assert not torch.equal(encoded(sd1, LONG)["states"], encoded(sd1, f"{LONG}, zwx")["states"])


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_prompts_of_one_batch_are_what_they_are_alone(family: str, request: pytest.FixtureRequest):
    base: Backbone = request.getfixturevalue(family)
    prompts = ["a fox", LONG, f"{LONG} {LONG}", ""]
    together, alone = encoded(base, *prompts), [encoded(base, prompt) for prompt in prompts]
    joined = Conditioning.join(alone)
    assert together.keys() == joined.keys()
    assert together[LENGTHS].tolist() == [own["states"].shape[1] for own in alone]
    for name in together:
        torch.testing.assert_close(together[name], joined[name])
    x, t = torch.randn(4, 4, 8, 8, generator=torch.Generator().manual_seed(0)), torch.full((4,), 500)
    with torch.no_grad():
        predicted = base.predict(x, t, together)
        for number, own in enumerate(alone):
            torch.testing.assert_close(predicted[number], base.predict(x[[number]], t[[number]], own)[0])


def test_the_pooled_vector_is_that_of_the_first_chunk(sdxl: Backbone):
    [first, *_] = chunks_of(tokenizer(), LONG, LENGTH)
    begin = tokenizer().decode(first[1:-1])
    torch.testing.assert_close(encoded(sdxl, LONG)["pooled"], encoded(sdxl, begin)["pooled"])


def test_absurd_prompts_are_refused(sd1: Backbone):
    with pytest.raises(CaptionError, match="16,000,000 characters") as caught:
        sd1.encode_prompts(["a fox", "x" * 16_000_000])
    assert f"{MAX_CHARACTERS:,}" in caught.value.expected


def test_lengths_of_chunks_are_told(sd1: Backbone, sdxl: Backbone):
    assert sd1.chunk_lengths == {"text_encoder": LENGTH - 2}
    assert sdxl.chunk_lengths == {"text_encoder": LENGTH - 2, "text_encoder_2": LENGTH - 2}
    assert sd1.tokenize("a fox").keys() == sd1.chunk_lengths.keys()


def test_gradients_reach_every_chunk(sd1: Backbone):
    table = sd1.load_component("text_encoder").get_input_embeddings().weight.requires_grad_(True)
    try:
        sd1.encode_prompts([f"{LONG} zwx", "a fox"])["states"].sum().backward()
        assert table.grad is not None
        last = tokenizer()("zwx", add_special_tokens=False).input_ids[0]
        assert table.grad[last].abs().sum() > 0
    finally:
        table.requires_grad_(False).grad = None
