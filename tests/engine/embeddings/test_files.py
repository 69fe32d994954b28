"""Files of trained words: read back as written, found by other programs, and refused with what doesn't fit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from lora_workbench.engine.core.errors import AdapterError
from lora_workbench.engine.embeddings.files import keep_embedding, load_embedding, save_embedding
from lora_workbench.engine.models import registry
from lora_workbench.engine.models.contract import Backbone
from lora_workbench.engine.models.word_embeddings import WordEmbedding
from safetensors.torch import load_file, save_file
from tiny import save_tiny_sdxl


@pytest.fixture(scope="module")
def sdxl(tmp_path_factory) -> Path:
    return save_tiny_sdxl(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module", params=["sd1", "sdxl"])
def folder(request, tiny_sd1: Path, sdxl: Path) -> Path:
    return tiny_sd1 if request.param == "sd1" else sdxl


@pytest.fixture(scope="module")
def base(folder: Path) -> Backbone:
    return registry.load_base(folder, device="cpu")


def random_word(base: Backbone, count: int = 3, seed: int = 0) -> WordEmbedding:
    torch.manual_seed(seed)
    vectors = {name: torch.randn(count, one.shape[-1]) for name, one in base.token_vectors("a").items()}
    return WordEmbedding(word="zwx", vectors=vectors, metadata={"modelspec.title": "mine"})


def test_a_file_is_read_back_as_it_was_written(base, tmp_path):
    own = random_word(base)
    save_embedding(own, tmp_path / "a.safetensors")
    found = load_embedding(tmp_path / "a.safetensors", base)
    assert found.word == "zwx" and found.content_hash == own.content_hash
    assert found.metadata["modelspec.title"] == "mine"
    assert load_embedding(tmp_path / "a.safetensors", base, " another ").word == "another"


def test_nothing_is_overwritten_and_nothing_saved_twice(base, tmp_path):
    names = [keep_embedding(random_word(base, seed=seed), tmp_path / "fox") for seed in (0, 1, 0, 1)]
    assert [(path.name, written) for path, written in names] == [
        ("fox.safetensors", True), ("fox_00002.safetensors", True), ("fox.safetensors", False),
        ("fox_00002.safetensors", False),
    ]  # fmt: skip


def test_diffusers_reads_the_file_to_the_same_conditioning(base, folder, tmp_path):
    from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline

    own = random_word(base)
    save_embedding(own, tmp_path / "zwx.safetensors")
    ours = base.with_words(own).encode_prompts(["a zwx house"])
    if len(own.vectors) == 1:
        pipeline = StableDiffusionPipeline.from_pretrained(folder, local_files_only=True)
        pipeline.load_textual_inversion(tmp_path, weight_name="zwx.safetensors", local_files_only=True)
        found = {"states": pipeline.encode_prompt("a zwx house", "cpu", 1, False)[0]}
    else:
        pipeline = StableDiffusionXLPipeline.from_pretrained(folder, local_files_only=True)
        tensors = load_file(tmp_path / "zwx.safetensors")
        for key, part in (("clip_l", ""), ("clip_g", "_2")):
            encoder, tokenizer = getattr(pipeline, f"text_encoder{part}"), getattr(pipeline, f"tokenizer{part}")
            pipeline.load_textual_inversion(tensors[key], token="zwx", text_encoder=encoder, tokenizer=tokenizer)
        states, _, pooled, _ = pipeline.encode_prompt("a zwx house", device="cpu", do_classifier_free_guidance=False)
        found = {"states": states, "pooled": pooled}
    for name, tensor in found.items():
        torch.testing.assert_close(ours[name], tensor, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["emb_params", "<cat-toy>", "clip_l"])
def test_files_of_others_for_one_text_encoder(tiny_sd1, tmp_path, name):
    base = registry.load_base(tiny_sd1, device="cpu")
    width = base.token_vectors("a")["text_encoder"].shape[-1]
    for shape in ((2, width), (width,)):
        save_file({name: torch.ones(shape, dtype=torch.float16)}, tmp_path / "toy.safetensors")
        found = load_embedding(tmp_path / "toy.safetensors", base)
        assert found.word == "toy" and found.vectors["text_encoder"].dtype == torch.float32
        assert found.count == (2 if len(shape) == 2 else 1)


@pytest.mark.parametrize(
    "tensors",
    [
        {"emb_params": torch.ones(2, 5)},
        {"emb_params": torch.ones(0, 32)},
        {"emb_params": torch.full((1, 32), torch.nan)},
        {"clip_l": torch.ones(2, 31), "clip_g": torch.ones(2, 32)},
        {"unet.lora_A.weight": torch.ones(2, 32), "unet.lora_B.weight": torch.ones(32, 2)},
    ],
    ids=["width", "empty", "nan", "one width", "adapter"],
)
def test_what_does_not_fit_is_refused_with_what_came(base, tmp_path, tensors):
    save_file(tensors, tmp_path / "x.safetensors")
    with pytest.raises(AdapterError, match=r"x\.safetensors has no vectors for (?s:.)*Expected: as many vectors"):
        load_embedding(tmp_path / "x.safetensors", base)


def test_a_damaged_file_is_refused(base, tmp_path):
    (tmp_path / "x.safetensors").write_bytes(b"\x80\x02nonsense")
    with pytest.raises(AdapterError, match="pickle"):
        load_embedding(tmp_path / "x.safetensors", base)


def test_text_encoders_need_as_many_vectors(sdxl, tmp_path):
    save_file({"clip_l": torch.ones(2, 32), "clip_g": torch.ones(3, 32)}, tmp_path / "x.safetensors")
    with pytest.raises(AdapterError, match="as many vectors"):
        load_embedding(tmp_path / "x.safetensors", registry.load_base(sdxl, device="cpu"))
