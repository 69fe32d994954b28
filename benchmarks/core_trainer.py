"""Training in ComfyUI: `LW_TrainLoRA` on a native MODEL beside core's `TrainLoraNode`.

    COMFYUI_PATH=... COMFYUI_PYTHON=... python benchmarks/core_trainer.py

A checkpoint of SD1.5's size with random weights, 512 px, batch 1, rank 16, computed in bf16, no gradient checkpointing,
on the CPU, with both trainers' own defaults otherwise. Each runs in a process of its own, one after the other: it loads
the checkpoint, encodes one picture and its caption, and trains. It reports the median seconds of a step, but for the
first, and the peak memory of the process from the encoding on, when ComfyUI's loader has released the file. Core
adapts every weight; ours is measured with its default targets (attention) and with all linear layers and convolutions.

On two cores (AVX512-bf16, 0.81 TFLOP/s measured), ComfyUI 0.33.0: core 11.8 s and 15.5 GB, attention 3.8 s and 6.2 GB
(3.1 times the steps, 0.40 of the memory), all layers 4.5 s and 6.8 GB (2.6 times, 0.44). The step's 1.6 TFLOP would
take 2.0 s at that rate. Of the rest, attention over 4,096 tokens takes 1.6 s where its products alone would take 0.5,
convolutions 0.8 s, linear layers 0.8 s, casting ComfyUI's float32 weights twice 0.2 s.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from comfyui import SD15, in_comfyui

SIDE = 512
WAYS = {"core": "", "attention": "attention", "all_layers": "all_layers"}


def checkpoint(folder: Path) -> Path:
    """A checkpoint with random weights and SD1.5's sizes, made by ComfyUI's own writer."""
    import checkpoints

    checkpoints.FAMILIES["full"] = checkpoints.Family(
        config="SD15", denoiser=SD15, latent_channels=4, quant_convolutions=True
    )
    return checkpoints.save("full", folder)


def load(path: Path, stored: str) -> tuple[Any, Any, Any]:
    import comfy.sd
    import torch

    options = {} if stored == "default" else {"dtype": getattr(torch, stored)}
    return comfy.sd.load_checkpoint_guess_config(str(path), model_options=options)[:3]


def picture() -> Any:
    from PIL import Image

    return Image.effect_mandelbrot((SIDE, SIDE), (-2, -1.5, 1, 1.5), 60).convert("RGB")


def train_by_core(path: Path, steps: int, stored: str) -> list[float]:
    """Seconds of each step, by the times at which ComfyUI hears of them."""
    import comfy.utils
    import numpy as np
    import torch
    from comfy_extras.nodes_train import TrainLoraNode

    model, clip, vae = load(path, stored)
    times = []
    comfy.utils.set_progress_bar_global_hook(lambda *_, **__: times.append(time.perf_counter()))
    with torch.inference_mode():
        forget_peak()
        pixels = torch.from_numpy(np.asarray(picture(), np.float32)[None] / 255)
        latents = {"samples": vae.encode(pixels)}
        positive = clip.encode_from_tokens_scheduled(clip.tokenize("a zwx thing"))
        times.clear()
        settings = {
            "batch_size": 1, "grad_accumulation_steps": 1, "steps": steps, "learning_rate": 1e-4, "rank": 16,
            "optimizer": "AdamW", "loss_function": "MSE", "seed": 0, "training_dtype": "bf16", "lora_dtype": "bf16",
            "quantized_backward": False, "algorithm": "LoRA", "gradient_checkpointing": False, "checkpoint_depth": 1,
            "offloading": False, "existing_lora": "[None]", "bucket_mode": False, "bypass_mode": False,
        }  # fmt: skip
        TrainLoraNode.execute(
            model=[model], latents=[latents], positive=[positive], **{name: [value] for name, value in settings.items()}
        )
    return [after - before for before, after in pairwise(times)]


def train_by_us(path: Path, steps: int, stored: str, targets: str) -> list[float]:
    """Seconds of each step, by the trainer's own events; the first is left out as core's can't be told."""
    import torch
    from lora_workbench.engine.core.events import StepDone
    from lora_workbench.engine.data.loading import dataset_from_images
    from lora_workbench.engine.runs.store import RunStore
    from lora_workbench.engine.runs.train import train_adapter
    from lora_workbench.engine.training.recipe import Recipe
    from lora_workbench.nodes.native import NativeBackbone

    with torch.inference_mode():
        model, clip, vae = load(path, stored)
    base = NativeBackbone(model, clip, vae, precision="bf16")
    forget_peak()
    dataset = dataset_from_images([picture()], ["a zwx thing"], "one")
    recipe = Recipe.of(steps=steps, rank=16, alpha=16, batch_size=1, targets=targets, resolution=SIDE)
    events = train_adapter(base, dataset, recipe, seed=0, store=RunStore(Path.cwd() / targets), name="x")
    return [event.seconds for event in events if isinstance(event, StepDone)][1:]


def measured(way: str, path: Path, steps: int, stored: str) -> dict[str, float]:
    """One way in this process."""
    from comfyui_process import load_extension

    load_extension()
    seconds = train_by_us(path, steps, stored, WAYS[way]) if WAYS[way] else train_by_core(path, steps, stored)
    return {"seconds": statistics.median(seconds), "gigabytes": peak(), "steps": len(seconds)}


def forget_peak() -> None:
    """Let Linux measure the largest memory anew."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")


def peak() -> float:
    """The largest memory since, in gigabytes."""
    [kilobytes] = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(kilobytes) * 1024 / 1e9


def in_its_own_process(way: str, path: Path, steps: int, stored: str) -> dict[str, float]:
    command = [sys.executable, __file__, "--way", way, "--checkpoint", str(path), "--steps", str(steps)]
    command += ["--stored", stored]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument(
        "--stored", choices=("default", "bfloat16"), default="default",
        help="dtype that ComfyUI keeps the denoiser in; by default float32 on a CPU",
    )  # fmt: skip
    parser.add_argument("--way", choices=WAYS, help="measure one way in this process and print JSON")
    parser.add_argument("--checkpoint", type=Path, help="a checkpoint made before, to use again")
    args = parser.parse_args()
    in_comfyui()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        if args.way:
            print(json.dumps(measured(args.way, args.checkpoint, args.steps, args.stored)))
            return
        path = args.checkpoint or Path(made(Path(folder)))
        results = {way: in_its_own_process(way, path, args.steps, args.stored) for way in WAYS}
    for way, result in results.items():
        print(f"{way:<12} {result['seconds']:6.2f} s per step, {result['gigabytes']:5.2f} GB at most")
    core = results["core"]
    for way in list(WAYS)[1:]:
        faster = core["seconds"] / results[way]["seconds"]
        share = results[way]["gigabytes"] / core["gigabytes"]
        print(f"{way:<12} {faster:.2f} times core's steps per second, {share:.2f} of its memory")


def made(folder: Path) -> str:
    """Make the checkpoint in a process of its own, whose memory is gone afterwards."""
    code = (
        "import comfyui, comfyui_process, core_trainer, pathlib; comfyui_process.load_extension();"
        f"print(core_trainer.checkpoint(pathlib.Path({str(folder)!r})))"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True, env=environment)
    return done.stdout.splitlines()[-1]


if __name__ == "__main__":
    main()
