"""Which family an adapter is for: by names that people give base models, and by its own layers."""

from __future__ import annotations

import pytest
from lora_workbench.engine.models.families import all_traits
from lora_workbench.engine.vault.families import family_called
from lora_workbench.engine.vault.layout import layout_of
from vault_files import lora_shapes

Layer = tuple[str, int, int]


@pytest.mark.parametrize("traits", all_traits(), ids=lambda traits: traits.title)
def test_every_architecture_of_ours_is_known(traits) -> None:
    expected = "sd1" if traits.name == "ip2p" else traits.name  # whose files say the architecture of its base
    assert family_called(f"{traits.architecture}/lora") == expected


@pytest.mark.parametrize(
    ("called", "family"),
    [
        ("SD 1.5", "sd1"), ("SD1", "sd1"), ("sd_v1", "sd1"), ("v1-5-pruned", "sd1"), ("STABLE_DIFFUSION_15", "sd1"),
        ("SD 2.1 768", "sd2"), ("sd_v2", "sd2"), ("SD 3.5 Large", "sd3"), ("STABLE_DIFFUSION_3", "sd3"),
        ("SDXL 1.0", "sdxl"), ("Pony", "sdxl"), ("Illustrious", "sdxl"), ("NoobAI", "sdxl"), ("Pony V7", ""),
        ("sdxl_base_v1-0", "sdxl"), ("Flux.1 D", "flux1"), ("Flux.1 Kontext", "flux1"), ("FLUX_DEV_1", "flux1"),
        ("Flux.2 Klein 4B", "flux2"), ("FLUX_2", "flux2"), ("Qwen", "qwen-image"), ("ZImageTurbo", "z-image"),
        ("Wan Video 14B t2v", "wan"), ("Chroma", "chroma"), ("HiDream", "hidream"), ("Lumina", "lumina2"),
        ("Anima", "anima"), ("Animagine XL", "sdxl"), ("LTXV", "ltx-video"), ("Other", ""), ("", ""),
    ],
)  # fmt: skip
def test_names_of_sites_and_trainers(called: str, family: str) -> None:
    assert family_called(called) == family


FUSED = "diffusion_model.single_blocks.0.linear1"
LAYERS: list[tuple[str, list[Layer]]] = [
    ("sd1", [("lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k", 320, 768)]),
    ("sd1", [("lora_unet_mid_block_attentions_0_proj_in", 8, 6)]),
    ("sd2", [("unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_v", 320, 1024)]),
    ("sdxl", [("lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k", 640, 2048)]),
    ("sdxl", [("unet.mid_block.attentions.0.transformer_blocks.9.attn1.to_q", 1280, 1280)]),
    ("sdxl", [("lora_unet_mid_block_resnets_0_conv1", 8, 6), ("lora_te2_text_model_encoder_layers_0_mlp_fc1", 8, 6)]),
    ("flux1", [("transformer.single_transformer_blocks.0.attn.to_q", 3072, 3072)]),
    ("flux1", [("lora_unet_double_blocks_0_img_attn_qkv", 9216, 3072)]),
    ("flux1", [(FUSED, 21504, 3072)]),
    ("flux2", [(FUSED, 27648, 3072)]),
    ("flux2", [("diffusion_model.double_blocks.0.img_attn.qkv", 12288, 4096)]),
    ("flux2", [("transformer.single_transformer_blocks.0.attn.to_qkv_mlp_proj", 27648, 3072)]),
    ("flux3", [("transformer.mode_blocks.image.0.attn.to_q", 8, 8)]),
    ("chroma", [(FUSED, 21504, 3072), ("diffusion_model.distilled_guidance_layer.layers.0.in_layer", 8, 8)]),
    ("sd3", [("transformer.transformer_blocks.0.attn.add_q_proj", 1536, 1536)]),
    ("sd3", [("lora_unet_joint_blocks_0_x_block_attn_qkv", 4608, 1536)]),
    ("qwen-image", [("transformer.transformer_blocks.59.attn.to_q", 3072, 3072)]),
    ("qwen-image", [("lora_unet_transformer_blocks_0_img_mlp_net_0_proj", 8, 8)]),
    ("qwen-image-2.1", [("transformer.transformer_blocks.0.img_mlp.gate_layer", 8, 8)]),
    ("krea2", [("transformer.transformer_blocks.0.attn.to_gate", 8, 8)]),
    ("krea2", [("diffusion_model.blocks.0.attn.wq", 8, 8)]),
    ("z-image", [("diffusion_model.layers.0.attention.to_q", 3840, 3840)]),
    ("lumina2", [("diffusion_model.layers.0.attention.qkv", 4608, 2304)]),
    ("ideogram4", [("diffusion_model.layers.0.attention.to_q", 4608, 4608)]),
    ("ernie-image", [("transformer.layers.0.self_attention.to_q", 8, 8)]),
    ("wan", [("diffusion_model.blocks.0.self_attn.q", 8, 8)]),
    ("wan", [("lora_unet_blocks_0_cross_attn_k_img", 8, 8)]),
    ("anima", [("diffusion_model.blocks.0.self_attn.q_proj", 8, 8)]),
    ("hidream", [("transformer.double_stream_blocks.0.block.attn1.to_q", 8, 8)]),
    ("ltx-video", [("diffusion_model.transformer_blocks.0.attn1.to_q", 8, 8)]),
    ("", [("lora_te_text_model_encoder_layers_0_mlp_fc1", 8, 6)]),
]


@pytest.mark.parametrize(("family", "layers"), LAYERS, ids=[f"{family} {layers[0][0]}" for family, layers in LAYERS])
def test_layers_of_each_family(family: str, layers: list[Layer]) -> None:
    shapes = {}
    for stem, outputs, inputs in layers:
        shapes |= lora_shapes(stem, inputs=inputs, outputs=outputs)
    assert layout_of(shapes).family == family


def test_factors_of_other_kinds_tell_widths_too() -> None:
    stem = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"
    lokr = {"lokr_w1": (8, 16), "lokr_w2_a": (40, 4), "lokr_w2_b": (4, 64)}
    loha = {"hada_w1_a": (320, 4), "hada_w1_b": (4, 1024), "hada_w2_a": (320, 4), "hada_w2_b": (4, 1024)}
    for parts in (lokr, loha, {"diff": (320, 1024)}):
        assert layout_of({f"{stem}.{part}": shape for part, shape in parts.items()}).family == "sd2"
