"""Block weights: names of blocks, the community's vectors, presets, and what they do to a stack."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from lora_workbench.engine.adapters.adapter import Adapter
from lora_workbench.engine.adapters.applying import applied
from lora_workbench.engine.adapters.binding import adaptable
from lora_workbench.engine.adapters.block_names import block_of, in_order, known_blocks, level_of
from lora_workbench.engine.adapters.block_weights import VECTORS, block_weights, parse_block_weights
from lora_workbench.engine.adapters.companions import Companions
from lora_workbench.engine.adapters.kinds import LowRank
from lora_workbench.engine.adapters.stack import Stack, StackEntry
from lora_workbench.engine.core.errors import ConfigError
from lora_workbench.engine.generation.batch import stack_label
from tiny import Parts

SD1 = "denoiser.down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q"
SAME_BLOCK = {
    "down.1.0": [SD1, SD1.replace(".", "_").replace("denoiser_", "denoiser."), "denoiser.input_blocks.4.1.proj_in"],
    "down.1.2": ["denoiser.down_blocks.1.downsamplers.0.conv", "denoiser.input_blocks_6_0_op"],
    "up.1.2": ["denoiser.up_blocks.1.upsamplers.0.conv", "denoiser.output_blocks_5_2_conv"],
    "mid": ["denoiser.mid_block.attentions.0.proj_in", "denoiser.middle_block_1_proj_in"],
    "in": ["denoiser.conv_in", "denoiser.input_blocks_0_0", "denoiser.time_embedding.linear_1", "denoiser.img_in"],
    "out": ["denoiser.conv_out", "denoiser.final_layer.linear", "denoiser.proj_out", "denoiser.out.2"],
    "te.3": ["text_encoder.encoder.layers.3.mlp.fc1", "text_encoder.text_model_encoder_layers_3_mlp_fc1"],
    "te2.11": ["text_encoder_2.encoder_block_11_layer_0_SelfAttention_q"],
    "blocks.7": [
        "denoiser.double_blocks.7.img_attn.qkv",
        "denoiser.transformer_blocks_7_attn_to_q",
        "denoiser.blocks.7.q",
    ],
    "single.12": ["denoiser.single_blocks.12.linear1", "denoiser.single_transformer_blocks_12_proj_mlp"],
    "layers.2": ["denoiser.layers.2.attention.to_q"],
    "noise_refiner.1": ["denoiser.noise_refiner.1.attention.to_q"],
}


def adapter(*keys: str, family: str = "sd1") -> Adapter:
    import torch

    update = LowRank(down=torch.ones(1, 2), up=torch.ones(2, 1), alpha=1.0)
    return Adapter(name="fox", family=family, modules=dict.fromkeys(keys, update))


def unet(levels: int = 4) -> Adapter:
    ways = [f"denoiser.{way}_blocks.{level}.attentions.{n}.to_q" for way in ("down", "up") for level in range(levels)
            for n in range(3 if way == "up" else 2)]  # fmt: skip
    return adapter(*ways, "denoiser.mid_block.attentions.0.to_q", "text_encoder.encoder.layers.0.mlp.fc1")


@pytest.mark.parametrize(("name", "keys"), SAME_BLOCK.items())
def test_a_layer_has_one_block_by_whatever_name(name: str, keys: list[str]) -> None:
    assert {str(block_of(key)) for key in keys} == {name}


def test_blocks_are_listed_as_people_write_them() -> None:
    assert known_blocks(unet().modules) == ["down.0-3", "up.0-3", "mid", "te.0"]
    flux = adapter(
        "denoiser.transformer_blocks.0.to_q", "denoiser.transformer_blocks.9.to_q", "denoiser.single_blocks.1.a"
    )
    assert known_blocks(flux.modules) == ["double.0-9", "single.1"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mid=0.5, up.1=0.8; down=0", {"mid": 0.5, "up.1.0": 0.8, "up.0.1": 1, "down.3.1": 0, "te.0": 1}),
        ("all=0, up.0-1.2=1", {"up.0.2": 1, "up.1.2": 1, "up.1.1": 0, "up.2.2": 0, "mid": 0, "te.0": 1}),
        ("up=0, up.1=-1, up.1.2=0.25", {"up.1.0": -1, "up.1.2": 0.25, "up.2.0": 0}),
        ("IN04=0.1, OUT05=0.2, M00=0.3, BASE=0.4", {"down.1.0": 0.1, "up.1.2": 0.2, "mid": 0.3, "te.0": 0.4}),
        ("MIDD", {"down.1.0": 0, "down.1.1": 1, "mid": 1, "up.2.0": 1, "up.2.1": 0, "te.0": 1}),
        ("outall, mid=0.5", {"down.1.0": 0, "mid": 0.5, "up.3.2": 1}),
        ("ALL0.5", {"down.1.0": 0.5, "te.0": 0.5, "out": 0.5}),
        ("NONE", {"down.1.0": 0, "te.0": 0, "up.0.0": 0}),
        ("all = 0 , double.0-5=1", {"blocks.5": 1, "blocks.6": 0, "single.3": 0}),
    ],
)
def test_patterns_and_presets(text: str, expected: dict[str, float]) -> None:
    weights = parse_block_weights(text)
    keys = {str(block_of(key)): key for key in [*unet().modules, "denoiser.conv_out"]}
    keys |= {f"blocks.{n}": f"denoiser.double_blocks.{n}.x" for n in (5, 6)} | {
        "single.3": "denoiser.single_blocks.3.x"
    }
    assert {name: weights.factor(keys[name]) for name in expected} == expected


@pytest.mark.parametrize("count", [12, 17, 20, 26])
def test_each_number_of_a_vector_is_of_its_block(count: int) -> None:
    """And what a shorter vector leaves out is off, as in the extension that these vectors come from."""
    numbers = [round(0.01 * (n + 1), 2) for n in range(count)]
    weights = parse_block_weights(",".join(map(str, numbers)))
    for name, number in zip(VECTORS[count], numbers, strict=True):
        if name.startswith(("IN", "OUT")) and name != "IN00":
            assert weights.factor(f"denoiser.{name[:-2].lower()}put_blocks_{int(name[-2:])}_0") == number, name
    assert weights.factor("denoiser.middle_block_1") == numbers[VECTORS[count].index("M00")]
    assert weights.factor("text_encoder.encoder.layers.0.q") == numbers[0]
    assert parse_block_weights(f"0{',1' * 16}").factor("denoiser.input_blocks_3_0_op") == 0


def test_presets_are_the_vectors_of_that_name() -> None:
    """For what a LoRA of SD1.x's attention has."""
    vector = parse_block_weights("1,0,0,0,1,1,1,1,1,1,1,1,0,0,0,0,0")
    preset = parse_block_weights("MIDD")
    attention = [
        f"denoiser.{name[:-2].lower()}put_blocks_{int(name[-2:])}_1" for name in VECTORS[17] if name[0] in "IO"
    ]
    assert [vector.factor(key) for key in attention] == [preset.factor(key) for key in attention]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("mid=0.5, mdi=1", ["no block mdi; did you mean mid?", "down.0-3, up.0-3, mid, te.0"]),
        ("up.7=1", ["no block up.7", "blocks of this adapter"]),
        ("single=0", ["no block single"]),
        ("mid=nan, up=inf, down=1e9", ["'mid=nan' has no weight", "'up=inf'", "'down=1e9'"]),
        ("1,2,3", ["3 numbers, expected 12, 17, 20, 26, 61"]),
        ("MIDDLE", ["'MIDDLE' isn't a preset; did you mean MIDD?"]),
        (",".join(["1"] * 11 + ["0"]), ["it is for SDXL"]),
        (",".join(["0"] * 61), ["it is for FLUX.1"]),
        ("a" * 3000, ["3000 characters"]),
        ("../x=1", ["isn't the name of a block"]),
    ],
)
def test_what_cant_be_meant_is_refused_in_words(text: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        block_weights(text, unet())
    assert all(word in str(caught.value) for word in words), caught.value


def test_vectors_of_sd1_are_refused_for_sdxl_and_transformers() -> None:
    vector = ",".join(["0"] * 17)
    for other in (replace(unet(3), family="sdxl"), adapter("denoiser.layers.0.q", family="z_image")):
        with pytest.raises(ConfigError, match=r"it is for SD1\.x"):
            block_weights(vector, other)
    assert block_weights(",".join(["0"] * 12), replace(unet(3), family="sdxl"))
    with pytest.raises(ConfigError, match="it is for UNets"):
        block_weights("MIDD", adapter("denoiser.layers.0.q"))


def test_weights_of_one_change_nothing() -> None:
    fox = unet()
    assert [block_weights(text, fox) for text in ("", "  ", "ALL", "mid=1, up.1=1.0")] == [None] * 4
    assert StackEntry(fox).identity() == [fox.content_hash, 1.0, 1.0]


def test_blocks_count_for_content_labels_and_totals(make_adapter: Any) -> None:
    fox, owl = make_adapter(), make_adapter("owl", seed=2)
    plain = StackEntry(fox, 0.8)
    mid = replace(plain, blocks=block_weights("all=0, mid=0.5", fox))
    assert Stack((plain,)).content_hash != Stack((mid,)).content_hash
    assert stack_label(Stack((mid, StackEntry(owl)))) == "fox 0.8 (all=0, mid=0.5) + owl 1"
    assert Stack((mid, StackEntry(owl))).total_weight() == pytest.approx(1.4)
    up = StackEntry(owl, 2.0, blocks=block_weights("all=0, up=1", owl))
    assert Stack((mid, up)).total_weight() == pytest.approx(2.0)
    roles = [Companions.of(Stack((replace(entry, role="context"),))).identity() for entry in (plain, mid)]
    assert roles[0] == [["context", fox.content_hash, 0.8, 1.0]]
    assert roles[1] != roles[0]


def test_each_update_is_applied_at_the_weight_of_its_block(make_adapter: Any, components: Parts) -> None:
    import torch

    fox = make_adapter()
    blocks = block_weights("all=0, mid=0.5, down.1=-1, te.1=0.25", fox)
    before = {key: module.weight.clone() for key, module in adaptable(components).items()}
    with applied(components, Stack((StackEntry(fox, 0.8, 0.6, blocks=blocks),))):
        for key, module in adaptable(components).items():
            own = {"mid": 0.4, "down.1.0": -0.8, "te.0": 0.6, "te.1": 0.15}.get(str(block_of(key)), 0.0)
            change = own * fox.modules[key].delta() if key in fox.modules else 0
            torch.testing.assert_close(module.weight, before[key] + change, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("key", "level"),
    [
        ("denoiser.down_blocks.1.attentions.0.proj_in", "down.1"),
        ("denoiser.down_blocks_1_attentions_0_proj_in", "down.1"),
        ("denoiser.mid_block_attentions_0_proj_in", "mid"),
        ("denoiser.input_blocks_4_1_proj_in", "down.1"),
        ("denoiser.single_transformer_blocks.37.attn.to_q", "single.37"),
        ("text_encoder.text_model_encoder_layers_11_mlp_fc1", "te.11"),
        ("denoiser.conv_in", "in"),
    ],
)
def test_levels_by_the_names_of_any_program(key: str, level: str) -> None:
    assert level_of(key) == level


def test_levels_go_as_a_picture_goes_through_them() -> None:
    levels = ["in", "down.0", "mid", "up.2", "up.10", "out", "te.0"]
    assert in_order(reversed(levels)) == levels
    assert in_order(["single.0", "te2.1", "blocks.10", "blocks.2"]) == ["blocks.2", "blocks.10", "single.0", "te2.1"]
