"""Files of other programs: every weight changes as much as by the formula of the program that wrote the file."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from adapter_writers import (
    TARGETS,
    TEXT_TARGETS,
    diffusers_file,
    factors,
    filled,
    lora_config,
    lycoris_file,
    merged,
    peft_folder,
)
from hypothesis import given
from hypothesis import strategies as st
from lora_workbench.engine.adapters.adapter import Adapter
from lora_workbench.engine.adapters.binding import adaptable, bind, changeable
from lora_workbench.engine.adapters.files import load_adapter, save_adapter
from lora_workbench.engine.adapters.scales import Declared
from lora_workbench.engine.core.errors import AdapterError, OtherKindError
from single_file import _unet_name
from tiny import Parts
from vault_files import assert_card

if TYPE_CHECKING:
    from torch import Tensor

UNET = {"layers_per_block": 1, "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"]}


def assert_deltas(path: Path, parts: Parts, expected: Mapping[str, Tensor]) -> Adapter:
    """Compare an adapter's changes of all weights with what they should be, and its card with the adapter."""
    loaded = load_adapter(path)
    assert_card(path, loaded)
    bound = bind(loaded, parts.module_shapes())
    assert bound.modules.keys() == expected.keys()
    weights = adaptable(parts)
    for key, update in bound.modules.items():
        found = update.delta(weights[key].weight.detach())
        worst = (found - expected[key]).abs().max() / expected[key].abs().max()
        assert worst < 1e-5, f"{key} is off by {worst:.3g} of its largest value"
    return loaded


def write(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> Path:
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path, metadata=dict(metadata or {}))
    return path


PATTERNS = {"rank_pattern": {"attn1.to_q": 8}, "alpha_pattern": {r".*\.ff\.net\.0\.proj": 5, "attn1.to_q": 2}}


@pytest.mark.parametrize(
    "settings",
    [{}, {"use_rslora": True}, PATTERNS, {"use_rslora": True, **PATTERNS}],
    ids=["plain", "rslora", "patterns", "rslora with patterns"],
)
def test_diffusers_keeps_the_scale_in_the_header(tmp_path: Path, components: Parts, settings: Any) -> None:
    path, expected = diffusers_file(components, tmp_path, **settings)
    loaded = assert_deltas(path, components, expected)
    assert loaded.origin is not None
    assert (loaded.origin.writer, loaded.origin.scale) == ("diffusers", "lora_adapter_metadata in the header")


def test_diffusers_saves_one_model_without_a_prefix(tmp_path: Path, components: Parts) -> None:
    from peft import LoraConfig

    unet = copy.deepcopy(components["denoiser"])
    unet.add_adapter(LoraConfig(r=4, lora_alpha=1, target_modules=TARGETS, init_lora_weights="gaussian"))
    filled(unet).save_lora_adapter(tmp_path)
    assert_deltas(tmp_path / "pytorch_lora_weights.safetensors", components, merged(unet, "denoiser"))


def peft_configs() -> dict[str, Any]:
    from peft import LoHaConfig, LoKrConfig, LoraConfig, OFTConfig

    return {
        "plain": lora_config(),
        "rslora": lora_config(use_rslora=True),
        "patterns": lora_config(**PATTERNS),
        "DoRA": lora_config(["to_q", "ff.net.0.proj"], use_dora=True),
        "everything": LoraConfig(r=2, lora_alpha=6, target_modules="all-linear", init_lora_weights="gaussian"),
        "LoHa": LoHaConfig(r=4, alpha=1, target_modules=TARGETS),
        "LoKr": LoKrConfig(r=4, alpha=1, target_modules=TARGETS),
        "OFT": OFTConfig(r=0, oft_block_size=4, target_modules=["to_q", "ff.net.0.proj"]),
    }


@pytest.mark.parametrize("name", ["plain", "rslora", "patterns", "DoRA", "everything", "LoHa", "LoKr", "OFT"])
def test_peft_keeps_the_scale_beside_the_file(tmp_path: Path, components: Parts, name: str) -> None:
    folder, expected = peft_folder(components, tmp_path / "fox", peft_configs()[name])
    loaded = assert_deltas(folder, components, expected)
    assert loaded.name == "fox"
    assert loaded.origin is not None
    assert loaded.origin.scale == "adapter_config.json"
    assert loaded.origin.writer.startswith("peft 0.")
    assert_deltas(folder / "adapter_model.safetensors", components, expected)


def test_a_folder_for_each_part_is_one_adapter(tmp_path: Path, components: Parts) -> None:
    _, expected = peft_folder(components, tmp_path / "fox" / "unet", lora_config())
    text_config = lora_config(TEXT_TARGETS, lora_alpha=9)
    _, text = peft_folder(components, tmp_path / "fox" / "text_encoder", text_config, "text_encoder")
    assert_deltas(tmp_path / "fox", components, expected | text)
    alone = assert_deltas(tmp_path / "fox" / "text_encoder", components, text)
    assert alone.name == "text_encoder" or alone.name == "fox"


def test_what_peft_keeps_beside_is_in_a_file_saved_here(tmp_path: Path, components: Parts) -> None:
    folder, expected = peft_folder(components, tmp_path / "fox", lora_config(use_rslora=True))
    saved = save_adapter(load_adapter(folder), tmp_path / "saved.safetensors", key_style="kohya", dtype="float32")
    assert saved.path == tmp_path / "saved.safetensors"
    assert_deltas(tmp_path / "saved.safetensors", components, expected)
    path, expected = diffusers_file(components, tmp_path / "diffusers")
    save_adapter(load_adapter(path), tmp_path / "again.safetensors", key_style="kohya", dtype="float32")
    assert_deltas(tmp_path / "again.safetensors", components, expected)


@pytest.mark.parametrize(
    ("algo", "settings"),
    [
        ("locon", {}), ("locon", {"rs_lora": True}), ("locon", {"use_scalar": True}),
        ("locon", {"weight_decompose": True}),
        ("loha", {}), ("lokr", {"factor": 4}), ("lokr", {"factor": 4, "full_matrix": True}), ("full", {}),
        ("diag-oft", {}), ("boft", {}),
    ],
    ids=lambda value: value if isinstance(value, str) else "+".join(value) or "plain",
)  # fmt: skip
def test_lycoris_is_read_by_its_own_formula(
    tmp_path: Path, components: Parts, algo: str, settings: Mapping[str, Any]
) -> None:
    pytest.importorskip("lycoris", reason="lycoris-lora isn't installed")
    path, expected = lycoris_file(components, tmp_path / "fox.safetensors", algo, **settings)
    assert_deltas(path, components, expected)


@pytest.mark.parametrize(("algo", "name"), [("glora", "GLoRA"), ("ia3", "IA3"), ("tlora", "T-LoRA")])
def test_lycoris_is_refused_by_name(
    tmp_path: Path, components: Parts, algo: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("lycoris", reason="lycoris-lora isn't installed")
    monkeypatch.setattr("gc.collect", lambda: 0)  # T-LoRA collects garbage for each layer
    path, _ = lycoris_file(components, tmp_path / "fox.safetensors", algo)
    with pytest.raises(OtherKindError, match=name):
        load_adapter(path)


def styled(parts: Parts, name_of: Any, suffixes: tuple[str, str, str], **options: Any) -> tuple[dict[str, Any], Any]:
    """A file's tensors with names of one style, and the changes of weights.

    Args:
        name_of: module key -> its name in the file.
        suffixes: of down, up and alpha; no alpha if that is empty.
    """
    import torch

    alpha = options.get("alpha", 1.0)
    made, deltas = factors(parts, **options)
    tensors = {}
    for key, pair in made.items():
        for suffix, value in zip(suffixes, (pair["down"], pair["up"], torch.tensor(alpha)), strict=True):
            if suffix:
                tensors[name_of(key) + suffix] = value
    return tensors, deltas


def path_of(key: str) -> str:
    return key.split(".", 1)[1]


def text_path(key: str) -> str:
    """As other programs have it: with a level that not every version of transformers has."""
    return "text_model." + path_of(key).removeprefix("text_model.")


def ldm_path(key: str) -> str:
    return _unet_name(path_of(key) + ".weight", UNET).removesuffix(".weight")


KOHYA = (".lora_down.weight", ".lora_up.weight", ".alpha")
PEFT = (".lora_A.weight", ".lora_B.weight", "")


def is_unet(key: str) -> bool:
    return key.startswith("denoiser.")


def kohya(key: str) -> str:
    if is_unet(key):
        return f"lora_unet_{path_of(key)}".replace(".", "_")
    return f"lora_te_{text_path(key)}".replace(".", "_")


def old_processor(key: str) -> str:
    """diffusers 0.11 to 0.22: ``UNet2DConditionLoadersMixin.save_attn_procs`` in its ``loaders.py``."""
    if not is_unet(key):
        side = {"q_proj": "to_q", "k_proj": "to_k", "v_proj": "to_v", "out_proj": "to_out"}[key.rsplit(".", 1)[1]]
        return f"text_encoder.{text_path(key).rsplit('.', 1)[0]}.{side}_lora"
    head, side = path_of(key).removesuffix(".0").rsplit(".", 1)
    return f"unet.{head}.processor.{side}_lora"


def both(unet: str, text: str) -> Any:
    return lambda key: (unet if is_unet(key) else text) + (path_of(key) if is_unet(key) else text_path(key))


# Published code that the names are taken from: kohya's networks/lora.py; OneTrainer's
# modules/util/convert/lora/convert_sd_lora.py (omi, diffusers and legacy prefixes); ai-toolkit's toolkit/keymaps/
# stable_diffusion_locon_sdxl.json (ldm's) and network_mixins.py (peft's, whose alpha is the rank); ComfyUI's
# comfy/lora.py; diffusers' loaders/lora_conversion_utils.py.
NAMES = {
    "kohya's": (kohya, KOHYA),
    "kohya's with numbered encoders": (lambda key: kohya(key).replace("lora_te_", "lora_te1_"), KOHYA),
    "ldm's in kohya's way": (
        lambda key: "lora_unet_" + ldm_path(key).replace(".", "_") if is_unet(key) else kohya(key), KOHYA,
    ),
    "core's": (
        lambda key: "diffusion_model." + ldm_path(key) if is_unet(key)
        else f"text_encoders.clip_l.transformer.{text_path(key)}", KOHYA,
    ),
    "core's with peft's factors": (
        lambda key: "diffusion_model." + ldm_path(key) if is_unet(key)
        else f"text_encoders.clip_l.transformer.{text_path(key)}", PEFT,
    ),
    "a checkpoint's": (
        lambda key: "model.diffusion_model." + ldm_path(key) if is_unet(key) else f"clip_l.{text_path(key)}", KOHYA,
    ),
    "OneTrainer's dotted": (
        lambda key: "unet." + ldm_path(key) if is_unet(key) else f"clip_l.{text_path(key)}", KOHYA,
    ),
    "OneTrainer's inside": (both("lora_unet.", "lora_te."), KOHYA),
    "LyCORIS' on diffusers' models": (
        lambda key: f"lycoris_{path_of(key) if is_unet(key) else text_path(key)}".replace(".", "_"), KOHYA,
    ),
    "ai-toolkit's": (both("transformer.", "text_encoder."), PEFT),
    "diffusers' newer": (both("unet.", "text_encoder."), (".lora.down.weight", ".lora.up.weight", "")),
    "diffusers' linear": (
        both("unet.", "text_encoder."), (".lora_linear_layer.down.weight", ".lora_linear_layer.up.weight", ""),
    ),
    "another adapter's name": (
        both("unet.", "text_encoder."), (".lora_A.my_fox-2.weight", ".lora_B.my_fox-2.weight", ""),
    ),
    "peft's around diffusers'": (both("base_model.model.unet.", "base_model.model.text_encoder."), PEFT),
    "peft's inside diffusers'": (both("unet.base_model.model.", "text_encoder.base_model.model."), PEFT),
    "compiled": (both("unet._orig_mod.", "text_encoder._orig_mod."), PEFT),
    "bare": (both("", ""), PEFT),
    "without an ending": (both("unet.", "text_encoder."), (".lora_A", ".lora_B", "")),
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_names_of_every_style_are_read(tmp_path: Path, components: Parts, name: str) -> None:
    name_of, suffixes = NAMES[name]
    options = {"alpha": 1.0 if suffixes[2] else 4.0, "chosen": lambda key: "." in path_of(key) or "conv_in" in key}
    tensors, expected = styled(components, name_of, suffixes, **options)
    assert_deltas(write(tmp_path / "fox.safetensors", tensors), components, expected)


@pytest.mark.parametrize("prefix", ["unet.", ""])
def test_attention_processors_of_early_diffusers(tmp_path: Path, components: Parts, prefix: str) -> None:
    def chosen(key: str) -> bool:
        return "attn" in key and (bool(prefix) or is_unet(key))

    suffixes = (".down.weight", ".up.weight", "")
    tensors, expected = styled(components, old_processor, suffixes, alpha=4.0, chosen=chosen)
    tensors = {prefix + name.removeprefix("unet.") if "processor" in name else name: t for name, t in tensors.items()}
    loaded = assert_deltas(write(tmp_path / "fox.safetensors", tensors), components, expected)
    assert loaded.origin is not None
    assert loaded.origin.writer == "diffusers before 0.23"


def test_kohyas_header_gives_the_scale_where_no_tensor_does(tmp_path: Path, components: Parts) -> None:
    tensors, expected = styled(components, kohya, (*KOHYA[:2], ""), alpha=1.0)
    header = {"ss_network_dim": "4", "ss_network_alpha": "1", "ss_network_module": "networks.lora"}
    loaded = assert_deltas(write(tmp_path / "fox.safetensors", tensors, header), components, expected)
    assert loaded.origin is not None
    assert loaded.origin.scale == "ss_network_alpha in the header"
    with pytest.raises(AdapterError, match="alpha 1 for rank 8"):
        load_adapter(write(tmp_path / "other.safetensors", tensors, {**header, "ss_network_dim": "8"}))


def test_the_convention_is_said_where_nothing_gives_a_scale(tmp_path: Path, components: Parts) -> None:
    tensors, expected = styled(components, kohya, (*KOHYA[:2], ""), alpha=4.0)
    loaded = assert_deltas(write(tmp_path / "fox.safetensors", tensors), components, expected)
    assert loaded.origin is not None
    assert loaded.origin.scale == "none given, so that alpha = rank"
    names = both("base_model.model.", "base_model.model.")
    tensors, expected = styled(components, names, PEFT, alpha=4.0)
    loaded = assert_deltas(write(tmp_path / "renamed.safetensors", tensors), components, expected)
    assert loaded.origin is not None
    assert "no adapter_config.json beside the file" in loaded.origin.notes[0]


def test_onetrainers_embeddings_are_kept_and_said(tmp_path: Path, components: Parts) -> None:
    import torch
    from safetensors.torch import load_file

    tensors, expected = styled(components, kohya, KOHYA)
    words = {"bundle_emb.ohwx fox.clip_l": torch.randn(2, 32), "bundle_emb.qvk.string_to_param.*": torch.randn(1, 32)}
    path = write(tmp_path / "fox.safetensors", tensors | words, {"ot_revision": "abc", "ot_branch": "master"})
    loaded = assert_deltas(path, components, expected)
    assert loaded.origin is not None
    assert loaded.origin.writer == "OneTrainer"
    assert "Trained words ohwx fox, qvk, which aren't applied" in loaded.origin.notes[0]
    save_adapter(loaded, tmp_path / "again.safetensors", key_style="kohya", dtype="float32")
    stored = load_file(tmp_path / "again.safetensors")
    assert all(torch.equal(stored[name], tensor) for name, tensor in words.items())


def test_ai_toolkit_names_itself(tmp_path: Path, components: Parts) -> None:
    tensors, expected = styled(components, kohya, KOHYA)
    header = {"software": json.dumps({"name": "ai-toolkit", "version": "0.5.1"})}
    loaded = assert_deltas(write(tmp_path / "fox.safetensors", tensors, header), components, expected)
    assert loaded.origin is not None
    assert loaded.origin.writer == "ai-toolkit 0.5.1"


@pytest.mark.parametrize("dtype", ["float8_e4m3fn", "float8_e5m2", "bfloat16", "float16", "float64"])
def test_every_dtype_is_read_as_it_is(tmp_path: Path, components: Parts, dtype: str) -> None:
    import torch

    tensors, _ = styled(components, kohya, KOHYA)
    stored = {name: tensor.to(getattr(torch, dtype)) for name, tensor in tensors.items()}
    expected = {}
    for key in factors(components)[0]:
        down, up = (stored[kohya(key) + suffix].float() for suffix in KOHYA[:2])
        shape = (up.shape[0], *down.shape[1:])
        expected[key] = (up.flatten(1) @ down.flatten(1) / 4).reshape(shape)
    assert_deltas(write(tmp_path / "fox.safetensors", stored), components, expected)


def test_scaled_fp8_is_multiplied_out_or_refused(tmp_path: Path, components: Parts) -> None:
    import torch

    tensors, _ = styled(components, kohya, KOHYA)
    key = next(iter(factors(components)[0]))
    name = kohya(key)
    stored = {n: t if n.endswith(".alpha") else t.to(torch.float8_e4m3fn) for n, t in tensors.items()}
    plain = load_adapter(write(tmp_path / "plain.safetensors", stored))
    stored["scaled_fp8"] = torch.empty(0, dtype=torch.float8_e4m3fn)
    marked = load_adapter(write(tmp_path / "marked.safetensors", stored))
    assert marked.content_hash == plain.content_hash
    stored[f"{name}.lora_up.scale_weight"] = torch.tensor(0.5)
    stored[f"{name}.lora_down.scale_weight"] = torch.full((4,), 3.0)
    scaled = load_adapter(write(tmp_path / "scaled.safetensors", stored))
    shapes = components.module_shapes()
    before, after = (bind(adapter, shapes).modules[key].delta(torch.zeros(shapes[key])) for adapter in (plain, scaled))
    torch.testing.assert_close(after, 1.5 * before)
    stored["lora_unet_elsewhere.scale_weight"] = torch.tensor(0.5)
    with pytest.raises(AdapterError, match="no tensor that it belongs to"):
        load_adapter(write(tmp_path / "lost.safetensors", stored))


def test_two_names_of_one_module_add_up(tmp_path: Path, components: Parts) -> None:
    first, expected = styled(components, kohya, KOHYA)
    second, _ = styled(components, both("unet.", "text_encoder."), PEFT, alpha=4.0)
    third, _ = styled(components, lambda key: "diffusion_model." + ldm_path(key), KOHYA, alpha=2.0, chosen=is_attention)
    path = write(tmp_path / "fox.safetensors", first | second)
    loaded = assert_deltas(path, components, {key: 5 * delta for key, delta in expected.items()})
    assert loaded.origin is not None
    assert any("with two names; both count" in note for note in loaded.origin.notes)
    attention, _ = styled(components, kohya, KOHYA, chosen=is_attention)
    _, once = factors(components, chosen=is_attention)
    assert_deltas(
        write(tmp_path / "ldm.safetensors", attention | third), components, {key: 3 * d for key, d in once.items()}
    )


def is_attention(key: str) -> bool:
    return is_unet(key) and key.endswith("attn1.to_q")


def test_two_tensors_for_one_part_are_refused(tmp_path: Path, components: Parts) -> None:
    tensors, _ = styled(components, both("unet.", "text_encoder."), PEFT, alpha=4.0)
    other = {
        name.replace("lora_A.", "lora_A.second.").replace("lora_B.", "lora_B.second."): t.clone()
        for name, t in tensors.items()
    }
    with pytest.raises(AdapterError, match="has two tensors for one part"):
        load_adapter(write(tmp_path / "fox.safetensors", tensors | other))


def test_a_declaration_that_contradicts_the_tensors_is_refused(tmp_path: Path, components: Parts) -> None:
    folder, _ = peft_folder(components, tmp_path / "fox", lora_config())
    config = json.loads((folder / "adapter_config.json").read_text())

    def load(**changes: Any) -> None:
        (folder / "adapter_config.json").write_text(json.dumps({**config, **changes}))
        load_adapter(folder)

    with pytest.raises(AdapterError, match="says rank 7"):
        load(r=7)
    with pytest.raises(AdapterError, match="lora_alpha: None"):
        load(lora_alpha=None)
    with pytest.raises(AdapterError, match="the pattern"):
        load(alpha_pattern={"(a+)+b": 3})
    with pytest.raises(AdapterError, match="pissa, which changes the base model"):
        load(init_lora_weights="pissa")
    (folder / "adapter_config.json").write_text("{")
    with pytest.raises(AdapterError, match="can't be read"):
        load_adapter(folder)


def test_a_layer_may_be_linear_there_and_a_convolution_here(tmp_path: Path, components: Parts) -> None:
    def chosen(key: str) -> bool:
        return key.endswith("proj_in")

    tensors, expected = styled(components, kohya, KOHYA, chosen=chosen)
    flat = {name: tensor.flatten(1) if tensor.ndim == 4 else tensor for name, tensor in tensors.items()}
    assert any(tensor.ndim == 4 for tensor in tensors.values())
    assert_deltas(write(tmp_path / "fox.safetensors", flat), components, expected)


def test_full_differences_of_norms_and_biases_have_ldms_names_too(tmp_path: Path, components: Parts) -> None:
    import torch

    generator = torch.Generator().manual_seed(0)
    weights = {key: module for key, module in changeable(components).items() if is_unet(key)}
    expected = {key: torch.randn(module.weight.shape, generator=generator) for key, module in weights.items()}
    tensors = {f"diffusion_model.{ldm_path(key)}.diff": delta for key, delta in expected.items()}
    zero = {f"diffusion_model.{ldm_path(key)}.diff_b": torch.zeros(len(delta)) for key, delta in expected.items()}
    path = write(tmp_path / "fox.safetensors", tensors | zero)
    bound = bind(load_adapter(path), components.module_shapes())
    assert bound.modules.keys() == expected.keys()
    for key, update in bound.modules.items():
        torch.testing.assert_close(update.delta(weights[key].weight.detach()), expected[key])
        assert update.bias is None


def test_an_alpha_without_factors_is_said(tmp_path: Path, components: Parts) -> None:
    import torch

    tensors, expected = styled(components, kohya, KOHYA)
    loaded = assert_deltas(
        write(tmp_path / "fox.safetensors", tensors | {"lora_unet_elsewhere.alpha": torch.tensor(1.0)}),
        components,
        expected,
    )
    assert loaded.origin is not None
    assert loaded.origin.notes == ("1 alpha without factors, left out.",)


PATHS = [f"down_blocks.{n}.attentions.0.{layer}" for n in (0, 1, 10) for layer in ("to_q", "to_out.0", "proj_in")]
PATTERN = st.sampled_from(
    ["to_q", "0.to_q", "to_out.0", "attentions.0.to_q", "down_blocks.1.*", r".*\.1\..*", "to_.", "q"]
)
NUMBER = st.integers(1, 64)


@given(
    r=NUMBER,
    alpha=NUMBER,
    ranks=st.dictionaries(PATTERN, NUMBER, max_size=3),
    alphas=st.dictionaries(PATTERN, NUMBER, max_size=3),
    rslora=st.booleans(),
)
def test_patterns_mean_what_they_mean_to_peft(
    r: int, alpha: int, ranks: dict[str, int], alphas: dict[str, int], rslora: bool
) -> None:
    """By peft's own matching and scale, ``LoraModel._create_and_replace`` and ``LoraLayer.update_layer``."""
    from peft.utils.other import get_pattern_key

    config = {"r": r, "lora_alpha": alpha, "rank_pattern": ranks, "alpha_pattern": alphas, "use_rslora": rslora}
    for path in PATHS:
        rank = ranks.get(get_pattern_key(ranks, path), r)
        expected = alphas.get(get_pattern_key(alphas, path), alpha) / (rank**0.5 if rslora else rank)
        assert Declared(config, "a test").scale_of(path, rank) == pytest.approx(expected)
