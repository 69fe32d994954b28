"""Run by ComfyUI's own Python: embeddings trained on its models, beside diffusers' ones and in its own prompts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from checkpoints import families
from comfyui_process import main
from inside_backbone import demo, difference, diffusers_demo, finished, snapshot

STEPS = 6


def fox_embedding(base: Any, folder: str) -> Any:
    from lora_workbench.engine.captions.templates import apply_trigger
    from lora_workbench.engine.core.resources import PROJECT_ROOT
    from lora_workbench.engine.data.dataset import TriggerWord
    from lora_workbench.engine.data.loading import load_dataset
    from lora_workbench.engine.runs.embedding import train_embedding
    from lora_workbench.engine.runs.store import RunStore
    from lora_workbench.engine.training.suggestions import suggest

    dataset = load_dataset(PROJECT_ROOT / "assets" / "datasets" / "fox")
    captioned = apply_trigger(dataset, TriggerWord(word="ohwx", class_word="animal"), "replace")
    recipe = suggest("subject", len(dataset), base.info).changed(
        steps=STEPS, batch_size=2, warmup_steps=0, text_encoder_learning_rate=0.02
    )
    return finished(
        train_embedding(
            base, captioned, recipe, vectors=3, begins_as="", seed=3, store=RunStore(Path(folder)), name="fox"
        )
    )


def trained() -> dict[str, Any]:
    """The same embedding by both backbones, what became of the model, and the word in ComfyUI's own prompts."""
    import folder_paths
    import torch
    from lora_workbench.engine.embeddings.files import save_embedding

    ours, theirs = demo(), diffusers_demo()
    before = snapshot(ours)
    runs = [fox_embedding(base, name) for base, name in ((ours, "native"), (theirs, "diffusers"))]
    vectors = [next(iter(run.embedding.vectors.values())) for run in runs]
    folder = Path(folder_paths.get_folder_paths("embeddings")[0])
    folder.mkdir(parents=True, exist_ok=True)
    save_embedding(runs[0].embedding, folder / "ohwx.safetensors")
    prompt = "a photo of {} (animal), {}"
    ours_shown, theirs_shown = (run.base.encode_prompts([prompt.replace("{}", "ohwx")]) for run in runs)
    return {
        "losses_apart": max(abs(a - b) for a, b in zip(runs[0].losses, runs[1].losses, strict=True)),
        "vectors_apart": difference(vectors[0], vectors[1]),
        "moved": difference(vectors[0], next(iter(ours.token_vectors("animal").values()))),
        "changed": [name for name, tensor in snapshot(ours).items() if not torch.equal(tensor, before[name])],
        **in_stock_prompts(ours._clip, runs[0].base, prompt),
        "hosts_apart": difference(ours_shown["cond"], theirs_shown["states"]),
    }


def in_stock_prompts(clip: Any, base: Any, prompt: str) -> dict[str, Any]:
    """How far our conditioning of a prompt with the word is from that of ComfyUI with ``embedding:ohwx``."""
    import torch

    text = prompt.replace("(", "\\(").replace(")", "\\)").replace("{}", " embedding:ohwx ")
    with torch.inference_mode():
        stock, plain = (
            clip.encode_from_tokens(clip.tokenize(shown), return_pooled=True, return_dict=True)
            for shown in (text, prompt.replace("{}", "ohwx"))
        )
    ours = base.encode_prompts([prompt.replace("{}", "ohwx"), "another prompt"])
    pooled = stock["pooled_output"]
    return {
        "stock_apart": difference(ours["cond"][:1], stock["cond"]),
        "pooled_apart": 0.0 if pooled is None else difference(ours["pooled_output"][:1], pooled),
        "plain_apart": difference(stock["cond"], plain["cond"]),
    }


def of_sdxl(folder: str) -> dict[str, Any]:
    """A word of SDXL's both text encoders: in ComfyUI's prompts, and with gradients."""
    import folder_paths
    import torch
    from lora_workbench.engine.embeddings.files import save_embedding
    from lora_workbench.engine.models.word_embeddings import WordEmbedding
    from lora_workbench.nodes import native

    model, clip, vae = families()["sdxl"](Path(folder))
    base = native.NativeBackbone(model, clip, vae, precision="fp32")
    torch.manual_seed(0)
    vectors = {name: torch.randn(2, one.shape[-1]) for name, one in base.token_vectors("red").items()}
    place = Path(folder_paths.get_folder_paths("embeddings")[0])
    place.mkdir(parents=True, exist_ok=True)
    save_embedding(WordEmbedding(word="ohwx", vectors=vectors), place / "ohwx.safetensors")
    for tokenizer in (clip.tokenizer.clip_l, clip.tokenizer.clip_g):  # as the stock loader of checkpoints says
        tokenizer.embedding_directory = folder_paths.get_folder_paths("embeddings")
    found = in_stock_prompts(clip, base.with_words(WordEmbedding(word="ohwx", vectors=vectors)), "a {} house")
    trained = {name: value.clone().requires_grad_() for name, value in vectors.items()}
    knowing = base.with_words(WordEmbedding(word="ohwx", vectors=trained))
    with knowing.training(1, 64):
        knowing.load_components()
        made = knowing.encode_prompts(["a ohwx house", "a house"])
        weights = torch.randn(made["cond"].shape, generator=torch.Generator().manual_seed(1))
        ((made["cond"] * weights).sum() + made["pooled_output"].sum()).backward()
    return found | {
        "encoders": sorted(vectors),
        "gradients": [bool(value.grad is not None and value.grad.any()) for value in trained.values()],
    }


if __name__ == "__main__":
    main({"trained": trained, "of_sdxl": of_sdxl})
