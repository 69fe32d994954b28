"""Layers chosen by pattern and blocks chosen by range: what is meant is trained, and what isn't there is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from lora_workbench.engine.core.errors import AdapterError, ConfigError
from lora_workbench.engine.data.loading import dataset_from_images
from lora_workbench.engine.models.contract import Backbone
from lora_workbench.engine.models.registry import load_base
from lora_workbench.engine.runs.store import RunStore
from lora_workbench.engine.runs.train import train_adapter
from lora_workbench.engine.training.blocks import BlockRange, parse_blocks
from lora_workbench.engine.training.recipe import Recipe
from lora_workbench.engine.training.settings import Circumstances
from lora_workbench.engine.training.targets import chosen_layers, remarks, targets_of
from lora_workbench.nodes.kit.settings import parse_settings
from PIL import Image


@pytest.fixture(scope="module")
def base(demo_base: Path) -> Backbone:
    return load_base(demo_base, device="cpu", precision="fp32")


def chosen(base: Backbone, **settings: str) -> set[str]:
    layers = chosen_layers(base, Recipe.of(**settings).adapter)
    return {layer.key.removeprefix("denoiser.") for layer in layers}


@pytest.mark.parametrize(
    ("text", "ranges"),
    [
        ("", []),
        ("0-7, 12", [("", range(8)), ("", range(12, 13))]),
        (
            "single_blocks 1-16; double_blocks 0-1",
            [("single_blocks", range(1, 17)), ("double_blocks", range(2))],
        ),
        ("single_blocks 1, 3 - 4", [("single_blocks", range(1, 2)), ("single_blocks", range(3, 5))]),
        ("mid_block, up_blocks.1.attentions 0", [("mid_block", None), ("up_blocks.1.attentions", range(1))]),
    ],
)
def test_ranges_are_read_as_people_write_them(text: str, ranges: list[tuple[str, range | None]]) -> None:
    assert parse_blocks(text) == [BlockRange(*own) for own in ranges]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"blocks": "7-0"}, "'7-0' ends before it begins"),
        ({"blocks": "0..3"}, "blocks: got '0..3', expected block ranges such as"),
        ({"layers": "to_(q"}, "layers: got 'to_(q', expected a regular expression (missing )"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_recipe(settings: dict[str, str], told: str) -> None:
    with pytest.raises(ConfigError) as error:
        Recipe.of(**settings)
    assert told in str(error.value)


def test_ranges_with_semicolons_can_be_written_among_settings() -> None:
    text = "blocks = single_blocks 1-16; double_blocks 0-1; rank = 4; layers = attn.*to_[qv]$"
    assert parse_settings(text) == {
        "blocks": "single_blocks 1-16; double_blocks 0-1", "rank": 4, "layers": "attn.*to_[qv]$",
    }  # fmt: skip


def test_a_pattern_finds_layers_by_any_of_their_names(base: Backbone) -> None:
    in_model = chosen(base, layers=r"^down_blocks\.1\..*attn2\.to_q$")
    assert in_model == {"down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_q"}
    in_files = chosen(base, layers=r"lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_q")
    in_checkpoints = chosen(base, layers=r"input_blocks\.3\.1\.transformer_blocks\.0\.attn2\.to_q")
    assert in_files == in_checkpoints == in_model


def test_blocks_narrow_the_preset_and_the_pattern(base: Backbone) -> None:
    attention = chosen(base)
    by_level = chosen(base, blocks="up_blocks 1-2")
    assert by_level == {path for path in attention if path.startswith("up_blocks")}
    assert chosen(base, blocks="output_blocks 2-5") == by_level
    assert chosen(base, blocks="mid_block") == {path for path in attention if path.startswith("mid_block")}
    assert chosen(base, layers="attn1.to_q$", blocks="mid_block") == {
        "mid_block.attentions.0.transformer_blocks.0.attn1.to_q"
    }


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"layers": "atn2.to_q"}, ["matches layers 'atn2.to_q'", "attn2.to_q"]),
        ({"blocks": "up_block 0"}, ["no blocks up_block 0; did you mean up_blocks?", "up_blocks 0-"]),
        ({"blocks": "up_blocks 1-9"}, ["no blocks up_blocks 3, up_blocks 4", "up_blocks 0-2"]),
        ({"blocks": "0-1"}, ["blocks 0-1 doesn't say of which kind", "write for example: blocks = "]),
        ({"blocks": "input_blocks 0"}, ["The blocks input_blocks 0 have no layers for targets attention"]),
    ],
)
def test_unknown_names_are_told_with_near_ones(base: Backbone, settings: dict[str, str], words: list[str]) -> None:
    with pytest.raises(AdapterError) as error:
        chosen_layers(base, Recipe.of(**settings).adapter)
    for told in words:
        assert told in str(error.value)


def test_blocks_without_chosen_layers_are_named(base: Backbone) -> None:
    [told] = remarks(base, Recipe.of(blocks="input_blocks 0-3").adapter)
    assert told.startswith("Blocks without any of the chosen layers, where nothing is trained: input_blocks 0")
    assert not list(remarks(base, Recipe.of(blocks="up_blocks 1-2").adapter))


def test_text_encoders_keep_their_preset(base: Backbone) -> None:
    found = targets_of(base, Recipe.of(layers="attn1.to_q$", train_text_encoder=True).adapter)
    assert found["text_encoder"] == base.info.text_target_presets["attention"]
    assert all(key.endswith("attn1.to_q") for key in found["denoiser"])


def test_a_run_trains_exactly_the_chosen_layers(base: Backbone, tmp_path: Path) -> None:
    dataset = dataset_from_images([Image.new("RGB", (64, 64), "red")], ["a zwx thing"], "reds")
    recipe = Recipe.of(steps=2, rank=2, warmup_steps=0, learning_rate=1e-3, layers="attn2.to_[kv]$", blocks="mid_block")

    def run(recipe: Recipe):
        return train_adapter(base, dataset, recipe, seed=1, store=RunStore(tmp_path), name="reds")

    events = run(recipe)
    try:
        while True:
            next(events)
    except StopIteration as stop:
        trained = stop.value
    begin = "denoiser.mid_block.attentions.0.transformer_blocks.0.attn2"
    assert trained.adapter.modules.keys() == {f"{begin}.to_k", f"{begin}.to_v"}
    with pytest.raises(AdapterError, match="No layer's name matches"):
        next(run(recipe.changed(layers="nowhere")))


def test_an_earlier_run_keeps_its_key() -> None:
    def keyed(**settings: str) -> dict[str, object]:
        recipe = Recipe.of(**settings)
        return recipe.keyed(
            Circumstances(recipe=recipe, has_prior=False, all_cropped=False, prediction_type="epsilon")
        )  # fmt: skip

    assert not {"layers", "blocks"} & keyed().keys()
    assert "targets" in keyed()
    assert keyed(layers="to_q") == keyed(layers="to_q", targets="all_layers")
    assert keyed(layers="to_q") != keyed(layers="to_k") != keyed(layers="to_k", blocks="mid_block")
