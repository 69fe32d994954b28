"""Run by ComfyUI's own Python: its models beside diffusers' with the same weights, as backbones that are trained."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import tiny_families
from comfyui_process import main
from inside_every_family import Case

STEPS = 20
WIDER = {"dim": 1536, "n_heads": 12, "n_kv_heads": 12, "n_layers": 1, "ffn_dim_multiplier": 8 / 3}
"""Z-Image, so that the embedding of time has its real width, and feed-forward layers are as wide in both programs."""


def qwen_image(weights: dict[str, Any], sizes: Mapping[str, Any]) -> tuple[Any, type]:
    """diffusers' transformer with the weights of ComfyUI's, which have the same names, and its backbone's class."""
    from diffusers import QwenImageTransformer2DModel
    from lora_workbench.engine.models.families.qwen_image import QwenImage

    made = QwenImageTransformer2DModel(
        in_channels=sizes["in_channels"], out_channels=sizes["out_channels"], num_layers=sizes["num_layers"],
        num_attention_heads=sizes["num_attention_heads"], joint_attention_dim=sizes["joint_attention_dim"],
    )  # fmt: skip
    return _with(made, weights), QwenImage


def flux2_klein(weights: dict[str, Any], sizes: Mapping[str, Any]) -> tuple[Any, type]:
    """The same for FLUX.2 klein, by diffusers' converter of checkpoints."""
    from diffusers import Flux2Transformer2DModel
    from diffusers.loaders.single_file_utils import convert_flux2_transformer_checkpoint_to_diffusers
    from lora_workbench.engine.models.families.flux2 import Flux2Klein

    made = Flux2Transformer2DModel(
        in_channels=sizes["in_channels"], num_layers=sizes["depth"], num_single_layers=sizes["depth_single_blocks"],
        attention_head_dim=sizes["hidden_size"] // sizes["num_heads"], num_attention_heads=sizes["num_heads"],
        joint_attention_dim=sizes["context_in_dim"], axes_dims_rope=tuple(sizes["axes_dim"]), guidance_embeds=False,
        rope_theta=sizes["theta"],
    )  # fmt: skip
    renamed = {_scale(name): tensor for name, tensor in weights.items()}
    return _with(made, convert_flux2_transformer_checkpoint_to_diffusers(renamed)), Flux2Klein


def z_image(weights: dict[str, Any], sizes: Mapping[str, Any]) -> tuple[Any, type]:
    """The same for Z-Image, at the least width that both give the same feed-forward layers."""
    from diffusers import ZImageTransformer2DModel
    from diffusers.loaders.single_file_utils import convert_z_image_transformer_checkpoint_to_diffusers
    from lora_workbench.engine.models.families.z_image import ZImage

    made = ZImageTransformer2DModel(
        in_channels=sizes["in_channels"], dim=sizes["dim"], n_layers=sizes["n_layers"], n_heads=sizes["n_heads"],
        n_refiner_layers=sizes["n_refiner_layers"], n_kv_heads=sizes["n_kv_heads"],
        cap_feat_dim=sizes["cap_feat_dim"], rope_theta=sizes["rope_theta"], t_scale=sizes["time_scale"],
        axes_dims=sizes["axes_dims"], axes_lens=sizes["axes_lens"],
    )  # fmt: skip
    return _with(made, convert_z_image_transformer_checkpoint_to_diffusers(dict(weights))), ZImage


def krea2(weights: dict[str, Any], sizes: Mapping[str, Any]) -> tuple[Any, type]:
    """The same for Krea 2."""
    from diffusers import Krea2Transformer2DModel
    from lora_workbench.engine.models.families.krea2 import Krea2

    head = sizes["features"] // sizes["heads"]
    axis = 6 * (head // 16)
    made = Krea2Transformer2DModel(
        in_channels=sizes["channels"] * sizes["patch"] ** 2, num_layers=sizes["layers"], attention_head_dim=head,
        num_attention_heads=sizes["heads"], num_key_value_heads=sizes["kvheads"], timestep_embed_dim=sizes["tdim"],
        intermediate_size=len(weights["blocks.0.mlp.up.weight"]), text_hidden_dim=sizes["txtdim"],
        num_text_layers=sizes["txtlayers"], text_num_attention_heads=sizes["txtheads"],
        text_num_key_value_heads=sizes["txtkvheads"],
        text_intermediate_size=len(weights["txtfusion.refiner_blocks.0.mlp.up.weight"]),
        num_layerwise_text_blocks=2, num_refiner_text_blocks=2, axes_dims_rope=(head - 2 * axis, axis, axis),
    )  # fmt: skip
    renamed = {}
    for name, tensor in weights.items():
        for theirs, ours in _KREA2.items():
            name = name.replace(theirs, ours)
        name = f"transformer_{name}" if name.startswith("blocks.") else name
        renamed[name] = tensor.reshape(6, -1) if name.endswith("scale_shift_table") and tensor.ndim == 1 else tensor
    return _with(made, renamed), Krea2


_KREA2 = {
    "first.": "img_in.", "txtmlp.0.scale": "txt_in.norm.weight", "txtmlp.1.": "txt_in.linear_1.",
    "txtmlp.3.": "txt_in.linear_2.", "tmlp.0.": "time_embed.linear_1.", "tmlp.2.": "time_embed.linear_2.",
    "tproj.1.": "time_mod_proj.", "txtfusion.": "text_fusion.", ".mod.lin": ".scale_shift_table",
    ".prenorm.scale": ".norm1.weight", ".postnorm.scale": ".norm2.weight", ".attn.gate.": ".attn.to_gate.",
    ".attn.wq.": ".attn.to_q.", ".attn.wk.": ".attn.to_k.", ".attn.wv.": ".attn.to_v.", ".attn.wo.": ".attn.to_out.0.",
    ".qknorm.qnorm.scale": ".norm_q.weight", ".qknorm.knorm.scale": ".norm_k.weight", ".mlp.": ".ff.",
    "last.modulation.lin": "final_layer.scale_shift_table", "last.norm.scale": "final_layer.norm.weight",
    "last.linear.": "final_layer.linear.",
}  # fmt: skip
"""ComfyUI's names -> diffusers', for Krea 2."""


def anima(weights: dict[str, Any], sizes: Mapping[str, Any]) -> tuple[Any, type]:
    """The same for Anima, whose text conditioner is of one size and has the same names in both programs."""
    from diffusers import AnimaTextConditioner, CosmosTransformer3DModel
    from diffusers.loaders.single_file_utils import convert_cosmos_transformer_checkpoint_to_diffusers
    from lora_workbench.engine.models.families.anima import Anima, with_conditioner

    conditioner = "llm_adapter."
    made = CosmosTransformer3DModel(
        in_channels=sizes["in_channels"], out_channels=sizes["out_channels"], num_layers=sizes["num_blocks"],
        num_attention_heads=sizes["num_heads"], attention_head_dim=sizes["model_channels"] // sizes["num_heads"],
        mlp_ratio=sizes["mlp_ratio"], text_embed_dim=sizes["crossattn_emb_channels"],
        adaln_lora_dim=sizes["adaln_lora_dim"], rope_scale=(1.0, 1.0, 1.0), extra_pos_embed_type=None,
    )  # fmt: skip
    blocks = {name: tensor for name, tensor in weights.items() if not name.startswith(conditioner)}
    own = {name.removeprefix(conditioner): tensor for name, tensor in weights.items() if name not in blocks}
    transformer = _with(made, convert_cosmos_transformer_checkpoint_to_diffusers(blocks))
    return with_conditioner(transformer, _with(AnimaTextConditioner(), own)), Anima


FAMILIES: Mapping[str, Callable[[dict[str, Any], Mapping[str, Any]], tuple[Any, type]]] = {
    "qwen_image": qwen_image, "flux2_klein": flux2_klein, "z_image": z_image, "krea2": krea2,
    "anima": anima,
}  # fmt: skip


def _scale(name: str) -> str:
    """ComfyUI turns the older name of a norm's weight into its own on loading; converters know the older."""
    return name.replace("query_norm.weight", "query_norm.scale").replace("key_norm.weight", "key_norm.scale")


def _with(made: Any, weights: Mapping[str, Any]) -> Any:
    made.load_state_dict({name: tensor.clone() for name, tensor in weights.items()})
    return made.eval().requires_grad_(False)


def both(case: Case) -> tuple[Any, Any]:
    """The native backbone, and diffusers' with its weights."""
    import torch
    from lora_workbench.engine.models.layers import layer_shapes
    from lora_workbench.engine.models.presets import target_presets

    native = case.base
    model = case.model.model
    with torch.inference_mode():  # norms and biases that do something show whether each has found its place
        for number, parameter in enumerate(model.diffusion_model.parameters()):
            if parameter.ndim < 2:
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(number)))
    transformer, cls = FAMILIES[case.name](dict(model.diffusion_model.state_dict()), model.model_config.unet_config)
    theirs: Any = object.__new__(cls)
    theirs._transformer, theirs.dtype, theirs.device = transformer, torch.float32, torch.device("cpu")
    keys = [key for key, shape in layer_shapes({"denoiser": transformer}).items() if len(shape) > 1]
    theirs.info = replace(native.info, target_presets=target_presets(key.removeprefix("denoiser.") for key in keys))
    return native, theirs


def prompts(native: Any, count: int) -> tuple[Any, Any]:
    """The same encoded prompts for both: one without padding."""
    import torch
    from lora_workbench.engine.models.contract import Conditioning
    from lora_workbench.engine.models.lengths import with_length

    with torch.no_grad():
        encoded = native.encode_prompts(["a zwx thing"] * count)
    states = encoded["cond"].clone()
    if layers := native._base.model_config.unet_config.get("txtlayers"):
        states = states.unflatten(-1, (layers, -1))
    given = Conditioning({"states": states, "mask": torch.ones(states.shape[:2])})
    if "t5xxl_ids.row" in encoded:
        given["ids"] = encoded["t5xxl_ids.row"].long()
    return encoded, with_length(given)


def shared_layers(native: Any, theirs: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Layers of the attention and feed-forward preset that both have as one: ComfyUI's keys, and diffusers'."""
    preset = "attention_and_feed_forward"
    known = {part: key for key in theirs.info.target_presets[preset] for part, _ in theirs.file_parts(key)}
    pairs = []
    for key in native.info.target_presets[preset]:
        parts = native.file_parts(key)
        if len(parts) == 1 and parts[0][0] in known:
            pairs.append((key, known[parts[0][0]]))
    return tuple(ours for ours, _ in pairs), tuple(own for _, own in pairs)


def losses(base: Any, conditioning: Any, targets: tuple[str, ...], x0: Any) -> list[float]:
    """Of a training of twenty steps."""
    import torch
    from lora_workbench.engine.adapters.inject import injected
    from lora_workbench.engine.adapters.kinds import TRAINED
    from lora_workbench.engine.training.loss import denoising_loss
    from lora_workbench.engine.training.recipe import Recipe

    recipe, found = Recipe.of(snr_gamma=0.0), []
    with (
        base.training(len(x0), 64),
        injected(
            TRAINED.get("lora"), {"denoiser": base.denoiser}, {"denoiser": targets}, rank=2, alpha=2, seed=0,
            common_name=lambda key: base.file_parts(key)[0][0],
        ) as injection,
    ):  # fmt: skip
        optimizer = torch.optim.AdamW(injection.parameters.values(), lr=1e-2)
        for step in range(STEPS):
            with base.gradients():
                loss = denoising_loss(base, x0, conditioning, recipe, torch.Generator().manual_seed(step)).mean()
                loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            found.append(loss.item())
    return found


def compared(name: str) -> dict[str, Any]:
    """Predictions and losses of both backbones, or the traceback of what went wrong."""
    import torch

    try:
        if name == "z_image":
            tiny = tiny_families.FAMILIES[name]
            tiny_families.FAMILIES[name] = replace(tiny, denoiser={**tiny.denoiser, **WIDER})
        case = Case(name)
        native, theirs = both(case)
        ours, own = prompts(native, 2)
        x0, levels = case.latents(), native.timesteps(torch.tensor([0.3, 0.8]))
        with torch.no_grad():
            first, second = native.predict(x0, levels.t, ours), theirs.predict(x0, levels.t, own)
        paths, keys = shared_layers(native, theirs)
        strange = [key for key, shape in theirs.module_shapes().items() if len(shape) > 1]
        return {
            "strange": sorted({*strange} - {*native.module_shapes()}),
            "size": float(first.abs().mean()), "apart": float((first - second).abs().max()), "layers": len(paths),
            "losses": [losses(native, ours, paths, x0), losses(theirs, own, keys, x0)],
        }  # fmt: skip
    except Exception:
        return {"error": traceback.format_exc()[-3000:]}


def every() -> dict[str, Any]:
    return {name: compared(name) for name in FAMILIES}


if __name__ == "__main__":
    main({"every": every})
