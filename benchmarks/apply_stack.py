"""A stack of adapters on a MODEL in ComfyUI: `LW_ApplyStack` beside a chain of ComfyUI's own `LoraLoader`.

    COMFYUI_PATH=... COMFYUI_PYTHON=... python benchmarks/apply_stack.py

A UNet of SD1.5's size with random float16 weights, and adapters of rank 16 on all its transformer layers. One run: a
weight of the first adapter has changed, the nodes run and the weights are patched on the CPU. The two take turns in
one process, and both keep what they keep between runs. Counted are files opened in the first run and in a later one, in
which each node stands a second time in the graph, as for another model.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from comfyui import SD15, in_comfyui

RANK = 16
LORAS = Path("models/loras")

Entries = list[tuple[str, float, float]]


def make_model() -> Any:
    import comfy.model_patcher
    import comfy.supported_models
    import torch

    described = comfy.supported_models.SD15(dict(SD15))
    described.set_inference_dtype(torch.float16, None)
    model = described.get_model({}, "", device="cpu").requires_grad_(False)
    for parameter in model.parameters():
        parameter.normal_(std=0.02)
    return comfy.model_patcher.ModelPatcher(model, "cpu", "cpu")


def write_adapters(model: Any, count: int) -> list[str]:
    """Names of files in the folder for LoRAs, with kohya's key names."""
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
    for number in range(count):
        tensors = {}
        for name, (out, *rest) in targets.items():
            tensors[f"{name}.lora_down.weight"] = torch.randn(RANK, *rest).half()
            tensors[f"{name}.lora_up.weight"] = torch.randn(out, RANK, *[1] * (len(rest) - 1)).half() * 0.01
            tensors[f"{name}.alpha"] = torch.tensor(float(RANK))
        save_file(tensors, LORAS / f"{number}.safetensors")
    return [f"{number}.safetensors" for number in range(count)]


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


def seconds(apply: Callable[[Any, Entries], Any], model: Any, entries: Entries) -> float:
    """From the node's start to the last patched weight."""
    began = time.perf_counter()
    patched = apply(model, entries)
    patched.patch_model()
    taken = time.perf_counter() - began
    patched.unpatch_model()
    return taken


def measure(model: Any, names: list[str], rounds: int) -> None:
    import torch

    ways = {"chain": chain, "stack": stack}
    applied = {way: make() for way, make in ways.items()}
    entries: Entries = [(name, 0.5, 0.0) for name in names]
    for name in names:
        (LORAS / name).touch()  # whatever is kept of it no longer counts
    reads = {}
    with torch.inference_mode():
        for way, make in ways.items():
            first = opened(lambda way=way: applied[way](model, entries))
            reads[way] = first, opened(lambda make=make: make()(model, entries))
        taken: dict[str, list[float]] = {way: [] for way in ways}
        for number in range(rounds):
            entries[0] = (names[0], 0.5 + 0.01 * number, 0.0)
            for way, apply in applied.items():
                taken[way].append(seconds(apply, model, entries))
    medians = {way: statistics.median(values) for way, values in taken.items()}
    for way in ways:
        print(
            f"{len(names)} adapters, {way}: {medians[way]:6.2f} s, files opened {reads[way][0]}, then {reads[way][1]}"
        )
    print(f"{len(names)} adapters, chain / stack: {medians['chain'] / medians['stack']:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--adapters", type=int, nargs="+", default=[1, 4, 8])
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    in_comfyui()
    from comfyui_process import load_extension

    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        load_extension()
        model = make_model()
        names = write_adapters(model, max(args.adapters))
        for count in args.adapters:
            measure(model, names[:count], args.rounds)


if __name__ == "__main__":
    main()
