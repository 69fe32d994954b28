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


def sdxl(weights: dict[str, Any], sizes: Mapping[str, Any]) -> Any:
    """The diffusers backbone of SDXL with the weights of ComfyUI's model, by diffusers' converter of checkpoints."""
    from diffusers import DDIMScheduler, UNet2DConditionModel
    from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint
    from lora_workbench.engine.models.families.sdxl import StableDiffusionXL

    width = sizes["model_channels"]
    made = UNet2DConditionModel(
        sample_size=8, layers_per_block=1, block_out_channels=(width,) * 3, attention_head_dim=1,
        cross_attention_dim=sizes["context_dim"], use_linear_projection=True, addition_embed_type="text_time",
        addition_time_embed_dim=256, projection_class_embeddings_input_dim=sizes["adm_in_channels"],
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    )  # fmt: skip
    checkpoint = {f"model.diffusion_model.{name}": tensor for name, tensor in weights.items()}
    scheduler = DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    unet = _with(made, convert_ldm_unet_checkpoint(checkpoint, dict(made.config)))
    return _backbone(StableDiffusionXL, _unet=unet, _alphas_cumprod=scheduler.alphas_cumprod)


def qwen_image(weights: dict[str, Any], sizes: Mapping[str, Any]) -> Any:
    """The same for Qwen-Image, whose names are the same in both programs."""
    from diffusers import QwenImageTransformer2DModel
    from lora_workbench.engine.models.families.qwen_image import QwenImage

    made = QwenImageTransformer2DModel(
        in_channels=sizes["in_channels"], out_channels=sizes["out_channels"], num_layers=sizes["num_layers"],
        num_attention_heads=sizes["num_attention_heads"], joint_attention_dim=sizes["joint_attention_dim"],
    )  # fmt: skip
    return _backbone(QwenImage, _transformer=_with(made, weights))


def flux2_klein(weights: dict[str, Any], sizes: Mapping[str, Any]) -> Any:
    """The same for FLUX.2 klein."""
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
    return _backbone(Flux2Klein, _transformer=_with(made, convert_flux2_transformer_checkpoint_to_diffusers(renamed)))


def z_image(weights: dict[str, Any], sizes: Mapping[str, Any]) -> Any:
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
    converted = convert_z_image_transformer_checkpoint_to_diffusers(dict(weights))
    return _backbone(ZImage, _transformer=_with(made, converted))


def krea2(weights: dict[str, Any], sizes: Mapping[str, Any]) -> Any:
    """The same for Krea 2."""
    from diffusers import Krea2Transformer2DModel
    from diffusers.loaders.single_file_utils import convert_krea2_transformer_checkpoint_to_diffusers
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
    converted = convert_krea2_transformer_checkpoint_to_diffusers(dict(weights))
    return _backbone(Krea2, _transformer=_with(made, converted))


def anima(weights: dict[str, Any], sizes: Mapping[str, Any]) -> Any:
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
    conditioned = with_conditioner(transformer, _with(AnimaTextConditioner(), own))
    return _backbone(Anima, _transformer=conditioned)


FAMILIES: Mapping[str, Callable[[dict[str, Any], Mapping[str, Any]], Any]] = {
    "sdxl": sdxl, "qwen_image": qwen_image, "flux2_klein": flux2_klein, "z_image": z_image, "krea2": krea2,
    "anima": anima,
}  # fmt: skip


def _scale(name: str) -> str:
    """ComfyUI turns the older name of a norm's weight into its own on loading; converters know the older."""
    return name.replace("query_norm.weight", "query_norm.scale").replace("key_norm.weight", "key_norm.scale")


def _with(made: Any, weights: Mapping[str, Any]) -> Any:
    made.load_state_dict({name: tensor.clone() for name, tensor in weights.items()})
    return made.eval().requires_grad_(False)


def _backbone(cls: type, **parts: Any) -> Any:
    """A backbone of these parts alone, without the encoders that its loader wants."""
    import torch
    from lora_workbench.engine.models.layers import layer_shapes

    made: Any = object.__new__(cls)
    vars(made).update(parts, dtype=torch.float32, device=torch.device("cpu"))
    vars(made)["_shapes"] = layer_shapes({"denoiser": made.denoiser})
    return made


def both(case: Case) -> tuple[Any, Any]:
    """The native backbone, and diffusers' with its weights."""
    import torch

    native = case.base
    model = case.model.model
    with torch.inference_mode():  # norms and biases that do something show whether each has found its place
        for number, parameter in enumerate(model.diffusion_model.parameters()):
            if parameter.ndim < 2:
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(number)))
    theirs = FAMILIES[case.name](dict(model.diffusion_model.state_dict()), model.model_config.unet_config)
    theirs.info = native.info
    return native, theirs


def prompts(native: Any, count: int) -> tuple[Any, Any]:
    """The same encoded prompts for both, without padding."""
    import torch
    from lora_workbench.engine.models.contract import Conditioning
    from lora_workbench.engine.models.lengths import with_length

    with torch.no_grad():
        encoded = native.encode_prompts(["a zwx thing"] * count)
    states = encoded["cond"].clone()
    if layers := native._base.model_config.unet_config.get("txtlayers"):
        states = states.unflatten(-1, (layers, -1))
    if "pooled_output" in encoded:
        return encoded, Conditioning({"states": states, "pooled": encoded["pooled_output"]})
    given = Conditioning({"states": states, "mask": torch.ones(states.shape[:2])})
    if "t5xxl_ids.row" in encoded:
        given["ids"] = encoded["t5xxl_ids.row"].long()
    return encoded, with_length(given)


def shared_layers(native: Any, theirs: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Layers of the attention and feed-forward preset that both have as one: ComfyUI's keys, and diffusers'."""
    known = {part: key for key in theirs._shapes for part, _ in theirs.file_parts(key)}
    pairs = []
    for key in native.info.target_presets["attention_and_feed_forward"]:
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
        x0, u = case.latents(), torch.tensor([0.3, 0.8])
        with torch.no_grad():
            first = native.predict(x0, native.timesteps(u).t, ours)
            second = theirs.predict(x0, theirs.timesteps(u).t, own)
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
