"""Names of modules and tensors."""

from __future__ import annotations

import pytest
from lora_workbench.engine.adapters.names import file_keys, flat, parse

QUERY = "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q"


@pytest.mark.parametrize(
    ("file_key", "module", "part"),
    [
        (f"lora_unet_{QUERY.replace('.', '_')}.lora_down.weight", f"denoiser.{QUERY}", "down"),
        (f"lora_unet_{QUERY.replace('.', '_')}.alpha", f"denoiser.{QUERY}", "alpha"),
        (f"unet.{QUERY}.lora_A.weight", f"denoiser.{QUERY}", "down"),
        (f"unet.{QUERY}.lora.up.weight", f"denoiser.{QUERY}", "up"),
        (f"unet.base_model.model.{QUERY}.lora_B.default.weight", f"denoiser.{QUERY}", "up"),
        (f"base_model.model.{QUERY}.lora_A.weight", f"denoiser.{QUERY}", "down"),
        ("diffusion_model.middle_block.1.proj_in.lora_up.weight", "denoiser.middle_block.1.proj_in", "up"),
        ("transformer.blocks.3.attn.to_k.lora_B.weight", "denoiser.blocks.3.attn.to_k", "up"),
        (
            "lora_te_text_model_encoder_layers_0_self_attn_q_proj.lora_up.weight",
            "text_encoder.encoder.layers.0.self_attn.q_proj",
            "up",
        ),
        (
            "lora_te2_text_model_encoder_layers_11_mlp_fc1.alpha",
            "text_encoder_2.text_model.encoder.layers.11.mlp.fc1",
            "alpha",
        ),
        (
            "text_encoder.text_model.encoder.layers.0.mlp.fc2.lora_linear_layer.down.weight",
            "text_encoder.encoder.layers.0.mlp.fc2",
            "down",
        ),
    ],
)
def test_every_style_is_read_as_the_same_module(file_key: str, module: str, part: str) -> None:
    parsed = parse(file_key)
    assert parsed is not None
    assert (flat(parsed.module), parsed.part) == (flat(module), part)


@pytest.mark.parametrize(
    "name",
    ["lora_unet_mid_block.a1.weight", "model.diffusion_model.out.2.weight", "lora_unet_mid_block.on_input"],
)
def test_other_tensors_are_not_taken_for_lora(name: str) -> None:
    assert parse(name) is None


def test_kohya_names_have_the_text_model_level_that_the_modules_may_lack() -> None:
    for level in ("", "text_model."):
        key = f"text_encoder.{level}encoder.layers.0.self_attn.q_proj"
        names = file_keys({key: "lora"}, "kohya")[key]
        assert names["down"] == "lora_te_text_model_encoder_layers_0_self_attn_q_proj.lora_down.weight"
        assert names["alpha"] == "lora_te_text_model_encoder_layers_0_self_attn_q_proj.alpha"


def test_two_text_encoders_are_numbered() -> None:
    keys = ["text_encoder.encoder.layers.0.mlp.fc1", "text_encoder_2.text_model.encoder.layers.0.mlp.fc1"]
    names = file_keys(dict.fromkeys(keys, "lora"), "kohya")
    assert names[keys[0]]["up"] == "lora_te1_text_model_encoder_layers_0_mlp_fc1.lora_up.weight"
    assert names[keys[1]]["up"] == "lora_te2_text_model_encoder_layers_0_mlp_fc1.lora_up.weight"


def test_transformer_names_keep_the_dots_and_have_no_alpha() -> None:
    key = "denoiser.transformer_blocks.0.attn.to_q"
    assert file_keys({key: "lora"}, "transformer")[key] == {
        "down": "transformer.transformer_blocks.0.attn.to_q.lora_A.weight",
        "up": "transformer.transformer_blocks.0.attn.to_q.lora_B.weight",
        "bias": "transformer.transformer_blocks.0.attn.to_q.diff_b",
    }


def test_layers_of_t5_get_no_text_model_level() -> None:
    key = "text_encoder_2.encoder.block.0.layer.0.SelfAttention.q"
    assert file_keys({key: "lora"}, "transformer")[key]["down"] == f"{key}.lora_A.weight"


@pytest.mark.parametrize("style", ["kohya", "transformer"])
def test_written_names_are_read_back(style: str) -> None:
    keys = [f"denoiser.{QUERY}", "denoiser.mid_block.resnets.0.conv1", "text_encoder.encoder.layers.0.self_attn.q_proj"]
    for key, names in file_keys(dict.fromkeys(keys, "lora"), style).items():  # type: ignore[arg-type]
        for part, name in names.items():
            parsed = parse(name)
            assert parsed is not None
            assert (flat(parsed.module), parsed.part) == (flat(key), part)
