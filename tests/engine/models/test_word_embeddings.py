"""Words with vectors of their own: where they stand in prompts, and what text encoders make of them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from lora_workbench.engine.models import registry
from lora_workbench.engine.models.contract import Backbone, Conditioning
from lora_workbench.engine.models.word_embeddings import WordEmbedding, pieces
from tiny import save_tiny_sdxl

KNOWN = "red fox"
PROMPTS = ("a photo of {}", "{}", "{}, {} and a {}!", "a house", "", "ein ({})-Bild", "a {} " + "very " * 90 + "{} far")


def word(text: str, count: int = 1) -> WordEmbedding:
    return WordEmbedding(word=text, vectors={"text_encoder": torch.zeros(count, 4)})


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a photo of zwx fox", ["a photo of", "zwx", "fox"]),
        ("ZWX, zwx.", ["zwx", ",", "zwx", "."]),
        ("zwxy and 2zwx", ["zwxy and 2zwx"]),
        ("一只zwx狐狸", ["一只", "zwx", "狐狸"]),
        ("my  dog and zwx", ["my dog", "and", "zwx"]),
        ("", [""]),
        ("  ", ["  "]),
    ],
)
def test_words_are_found_as_trigger_words_are(prompt, expected):
    found = pieces(prompt, [word("zwx"), word("my dog"), word("dog")])
    assert [part if isinstance(part, str) else part.word for part in found] == expected


def test_without_words_a_prompt_stays_as_it_is():
    assert [*pieces(" a  \u0065\u0301 ", [])] == [" a  \u0065\u0301 "]


@pytest.fixture(scope="module", params=["sd1", "sdxl"])
def base(request, tiny_sd1: Path, tmp_path_factory) -> Backbone:
    folder = tiny_sd1 if request.param == "sd1" else save_tiny_sdxl(tmp_path_factory.mktemp("tiny"))
    return registry.load_base(folder, device="cpu")


def same(one: Conditioning, other: Conditioning) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("prompt", PROMPTS)
def test_a_word_with_the_vectors_of_other_words_means_those(base, prompt):
    """Also the pooled output, for which CLIP looks for the end of the prompt, and in further chunks."""
    own = WordEmbedding(word="zwx", vectors=base.token_vectors(KNOWN))
    knowing = base.with_words(own)
    assert same(
        knowing.encode_prompts([prompt.replace("{}", "zwx")]), base.encode_prompts([prompt.replace("{}", KNOWN)])
    )
    assert same(base.with_words(own).encode_prompts([prompt]), base.encode_prompts([prompt]))


def test_a_word_counts_as_many_tokens_as_it_has_vectors(base):
    own = WordEmbedding(word="zwx", vectors=base.token_vectors(KNOWN))
    found = base.with_words(own).tokenize("a zwx house")
    assert found == {name: ["a", *["zwx"] * own.count, "house"] for name in base.text_encoder_names}
    assert base.with_words(own).tokenize("a red house") == base.tokenize("a red house")


def test_prompts_of_a_batch_have_their_own_words(base):
    words = [WordEmbedding(word=f"w{i}", vectors=base.token_vectors(text)) for i, text in enumerate(("fox", "red bus"))]
    found = base.with_words(*words).encode_prompts(["a w1", "a w0", "no word"])
    assert same(found, base.encode_prompts(["a red bus", "a fox", "no word"]))


def test_gradients_reach_the_vectors_alone(base):
    vectors = {name: found.clone().requires_grad_() for name, found in base.token_vectors("red").items()}
    states = base.with_words(WordEmbedding(word="zwx", vectors=vectors)).encode_prompts(["a zwx", "a dog"])["states"]
    states[1].sum().backward(retain_graph=True)
    assert not any(value.grad is not None and value.grad.any() for value in vectors.values())
    (states[0] * torch.randn(states[0].shape, generator=torch.Generator().manual_seed(0))).sum().backward()
    assert all(value.grad is not None and value.grad.any() for value in vectors.values())


def test_another_base_model_is_keyed_apart_and_shares_the_weights(base):
    one, two = (WordEmbedding(word="zwx", vectors=base.token_vectors(text)) for text in ("fox", "red"))
    first, second = base.with_words(one), base.with_words(two)
    assert len({base.info.content_hash, first.info.content_hash, second.info.content_hash}) == 3
    assert first.with_words(two).info.content_hash == second.info.content_hash, "the newer one takes its place"
    assert first.denoiser is base.denoiser and not base.words
    assert first.source is None, "another process would load it without the word"
