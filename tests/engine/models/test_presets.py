"""Which layers the target presets mean, by the names of several families, U-Nets as ComfyUI names them."""

from __future__ import annotations

import pytest
from lora_workbench.engine.models.presets import target_presets


@pytest.mark.parametrize(
    ("path", "preset"),
    [
        ("input_blocks.1.1.transformer_blocks.0.attn1.to_q", "attention"),
        ("input_blocks.1.1.transformer_blocks.0.ff.net.2", "attention_and_feed_forward"),
        ("input_blocks.1.1.proj_out", "all_layers"),
        ("single_transformer_blocks.3.attn.to_k", "attention"),
        ("single_transformer_blocks.3.proj_mlp", "attention_and_feed_forward"),
        ("single_transformer_blocks.3.proj_out", "attention_and_feed_forward"),
        ("layers.5.feed_forward.w1", "attention_and_feed_forward"),
        ("transformer_blocks.0.norm1.linear", "all_layers"),
        ("llm_adapter.blocks.0.self_attn.q_proj", "all_layers"),
        ("text_conditioner.blocks.0.mlp.0", "all_layers"),
    ],
)
def test_the_narrowest_preset_of_a_layer(path: str, preset: str) -> None:
    presets = target_presets([path])
    assert next(name for name, layers in presets.items() if layers) == preset
