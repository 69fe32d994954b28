"""A stack of adapters on a UNet of SD1.5's size: `LW_ApplyStack` beside ComfyUI's loaders and diffusers.

    COMFYUI_PATH=... COMFYUI_PYTHON=... python benchmarks/apply_stack.py

Random bfloat16 weights, and adapters of rank 16 on all transformer layers. *Chain* is one of ComfyUI's own
`LoraLoader` for each adapter; *diffusers* loads the same adapters as peft's and weighs them by `set_adapters`, which
changes no weight, so that each step computes all adapters beside the model.

- *First*: from the files, until the model can draw.
- *Change*: the first adapter gets another weight, until the model can draw.
- *Peak*: memory beyond what the model took before, at the first application.
- *Step*: one pass of the UNet on two latents of 32 x 32, over the same without adapters.

The ways take turns in one process, and keep what they keep between runs. Counted are also files opened in the first run
and in a later one, in which each node stands a second time in the graph, as for another model.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import statistics
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from comfyui import SD15, in_comfyui
from measuring import table

RANK = 16
LORAS = Path("models/loras")

Entries = list[tuple[str, float, float]]


def make_model() -> Any:
    import comfy.model_patcher
    import comfy.supported_models
    import torch

    described = comfy.supported_models.SD15(dict(SD15))
    described.set_inference_dtype(torch.bfloat16, None)
    model = described.get_model({}, "", device="cpu").requires_grad_(False)
    for parameter in model.parameters():
        parameter.normal_(std=0.02)
    return comfy.model_patcher.ModelPatcher(model, "cpu", "cpu")


def write_adapters(model: Any, count: int) -> list[str]:
    """Names of files in the folder for LoRAs, with kohya's key names, and twins with diffusers' beside them."""
    import comfy.lora
    import torch
    from safetensors.torch import save_file

    LORAS.mkdir(parents=True)
    state = model.model.state_dict()
    kohya = ("lora_unet_down_blocks", "lora_unet_mid_block", "lora_unet_up_blocks")
    targets = {
        name: state[key].shape
        for name, key in comfy.lora.model_lora_keys_unet(model.model, {}).items()
        if name.startswith(kohya) and "_attentions_" in name and state[key].ndim > 1
    }
    dotted = {f"lora_unet_{path.replace('.', '_')}": path for path, _ in diffusers_unet("meta").named_modules()}
    for number in range(count):
        tensors, twin = {}, {}
        for name, (out, *rest) in targets.items():
            down = torch.randn(RANK, *rest).half()
            up = torch.randn(out, RANK, *[1] * (len(rest) - 1)).half() * 0.01
            tensors |= {f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up}
            tensors[f"{name}.alpha"] = torch.tensor(float(RANK))
            twin |= {f"{dotted[name]}.lora_A.weight": down.clone(), f"{dotted[name]}.lora_B.weight": up.clone()}
        save_file(tensors, LORAS / f"{number}.safetensors")
        save_file(twin, Path(f"diffusers_{number}.safetensors"))
    return [f"{number}.safetensors" for number in range(count)]


def diffusers_unet(device: str) -> Any:
    """SD1.5's, whose sizes are diffusers' defaults but for the text encoder's."""
    import torch
    from diffusers import UNet2DConditionModel

    with torch.device(device):
        unet = UNet2DConditionModel(cross_attention_dim=768).to(torch.bfloat16)
    return unet.eval().requires_grad_(False)


class Way(ABC):
    """A way to draw with adapters."""

    @abstractmethod
    def apply(self, weights: list[float]) -> None:
        """Until the model can draw with these weights of the adapters."""

    @abstractmethod
    def step(self) -> float:
        """Seconds of one pass."""


class Patched(Way):
    """A MODEL of ComfyUI whose weights are changed."""

    def __init__(self, model: Any, names: list[str], nodes: Callable[[Any, Entries], Any]) -> None:
        self.model, self.names, self.nodes = model, names, nodes
        self.patched: Any = None

    def apply(self, weights: list[float]) -> None:
        entries = [(name, weight, 0.0) for name, weight in zip(self.names, weights, strict=True)]
        patched = self.nodes(self.model, entries)
        self.undo()
        patched.patch_model()
        self.patched = patched

    def undo(self) -> None:
        if self.patched is not None:
            self.patched.unpatch_model()
            self.patched = None

    def step(self) -> float:
        import torch

        latents, text = torch.randn(2, 4, 32, 32).bfloat16(), torch.randn(2, 77, 768).bfloat16()
        began = time.perf_counter()
        self.model.model.diffusion_model(latents, torch.tensor([500.0, 500.0]), context=text)
        return time.perf_counter() - began


class Beside(Way):
    """diffusers' UNet with the adapters of peft's, which each pass computes."""

    def __init__(self, names: list[str]) -> None:
        self.unet, self.names = diffusers_unet("cpu"), names
        self.loaded = False

    def apply(self, weights: list[float]) -> None:
        if not self.loaded:
            for number in range(len(weights)):
                self.unet.load_lora_adapter(f"diffusers_{number}.safetensors", prefix=None, adapter_name=f"a{number}")
            self.loaded = True
        self.unet.set_adapters([f"a{number}" for number in range(len(weights))], weights)

    def step(self) -> float:
        import torch

        latents, text = torch.randn(2, 4, 32, 32).bfloat16(), torch.randn(2, 77, 768).bfloat16()
        began = time.perf_counter()
        self.unet(latents, torch.tensor([500.0, 500.0]), encoder_hidden_states=text)
        return time.perf_counter() - began


def chain() -> Callable[[Any, Entries], Any]:
    """ComfyUI's own loaders, which live as long as their graph."""
    from nodes import LoraLoader  # pyright: ignore[reportAttributeAccessIssue] # ComfyUI's

    loaders: list[Any] = []

    def apply(model: Any, entries: Entries) -> Any:
        loaders.extend(LoraLoader() for _ in entries[len(loaders) :])
        for loader, (name, weight, text_encoder_weight) in zip(loaders, entries, strict=False):
            model, _ = loader.load_lora(model, None, name, weight, text_encoder_weight)
        return model

    return apply


def stack() -> Callable[[Any, Entries], Any]:
    """Our node."""
    from lora_workbench.nodes.adapters.apply_stack import ApplyStack

    return lambda model, entries: ApplyStack.execute(model, lora_stack=entries).args[0]


def opened(work: Callable[[], Any]) -> int:
    """How many safetensors files ``work`` opens."""
    import safetensors

    count, original = 0, safetensors.safe_open

    def counted(*args: Any, **options: Any) -> Any:
        nonlocal count
        count += 1
        return original(*args, **options)

    safetensors.safe_open = counted
    try:
        work()
    finally:
        safetensors.safe_open = original
    return count


def files_opened(model: Any, names: list[str]) -> str:
    """By both nodes in the first run, and in one where each stands in the graph again."""
    entries: Entries = [(name, 0.5, 0.0) for name in names]
    told = []
    for name, make in {"chain": chain, "stack": stack}.items():
        apply = make()
        first, again = (opened(lambda nodes=nodes: nodes(model, entries)) for nodes in (apply, make()))
        told.append(f"{name} {first}, then {again}")
    return "files opened: " + "; ".join(told)


def measure(ways: Mapping[str, Way], rounds: int, count: int) -> None:
    """Print a table of all ways; each changes the weight of the first adapter in turn with the others."""
    import torch
    from lora_workbench.engine.memory.peak import peak_memory

    with torch.inference_mode():
        plain = {name: statistics.median(way.step() for _ in range(rounds + 1)) for name, way in ways.items()}
        first: dict[str, tuple[float, int | None]] = {}
        for name, way in ways.items():
            ctypes.CDLL("libc.so.6").malloc_trim(0)  # what others have freed would hide what this way takes
            with peak_memory(torch.device("cpu")) as peak:
                began = time.perf_counter()
                way.apply([0.5] * count)
                first[name] = time.perf_counter() - began, 0
            first[name] = first[name][0], peak.size
        changes: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(rounds):
            for name, way in ways.items():
                began = time.perf_counter()
                way.apply([0.5 + 0.01 * (number + 1), *[0.5] * (count - 1)])
                changes[name].append(time.perf_counter() - began)
        steps = {name: statistics.median(way.step() for _ in range(rounds + 1)) for name, way in ways.items()}
    rows = [
        [
            f"{count} adapters, {name}", f"{first[name][0]:.2f} s", f"{statistics.median(changes[name]):.3f} s",
            f"{(first[name][1] or 0) / 2**20:.0f} MiB", f"{steps[name] / plain[name]:.2f}",
        ]
        for name in ways
    ]  # fmt: skip
    print(table(["way", "first", "change", "peak", "step"], rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--adapters", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    in_comfyui()
    import torch
    from comfyui_process import load_extension

    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        os.chdir(folder)
        load_extension()
        model, twin = make_model(), make_model()
        names = write_adapters(model, max(args.adapters))
        for count in args.adapters:
            some = names[:count]
            for name in some:
                (LORAS / name).touch()  # whatever is kept of it no longer counts
            print(files_opened(model, some))
            for name in some:
                (LORAS / name).touch()
            patched = {"chain": Patched(twin, some, chain()), "stack": Patched(model, some, stack())}
            measure({"diffusers": Beside(some), **patched}, args.rounds, count)
            for way in patched.values():
                way.undo()


if __name__ == "__main__":
    main()
