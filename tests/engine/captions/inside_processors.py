"""Run by ComfyUI's own Python, which has torchvision: our inputs of captioners beside those of their own processors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from comfyui_process import main


def compared() -> dict[str, dict[str, bool]]:
    """Captioner -> each input that its own processor makes, and whether ours is equal."""
    return {
        **{kind: qwen_vl(kind) for kind in ("qwen2_vl", "qwen2_5_vl", "qwen3_vl")},
        "florence2": florence2(),
        "prompts_with_pictures": prompts_with_pictures(),
    }


def picture() -> Any:
    from PIL import Image

    return Image.radial_gradient("L").resize((60, 40)).convert("RGB")


def equal(theirs: Any, ours: dict[str, Any]) -> dict[str, bool]:
    import torch

    return {name: name in ours and torch.equal(value, ours[name]) for name, value in theirs.items()}


def qwen_vl(kind: str) -> dict[str, bool]:
    import transformers
    from lora_workbench.engine.captions.captioners import open_captioner
    from lora_workbench.engine.captions.qwen_vl import TALK
    from tiny_captioners import save_tiny_qwen_vl

    captioner: Any = open_captioner(save_tiny_qwen_vl(Path(kind), kind=kind), device="cpu")
    parts = captioner._parts
    names = {"qwen2_vl": ("Qwen2VL", "Qwen2VL"), "qwen2_5_vl": ("Qwen2_5_VL", "Qwen2VL"), "qwen3_vl": ("Qwen3VL",) * 2}
    processor = getattr(transformers, f"{names[kind][0]}Processor")(
        image_processor=parts.images,
        tokenizer=parts.tokenizer,
        video_processor=getattr(transformers, f"{names[kind][1]}VideoProcessor")(),
    )
    talk = TALK.format(picture="<|image_pad|>", question="what is it?")
    return equal(
        processor(images=[picture()], text=[talk], return_tensors="pt"), captioner._inputs(picture(), "what is it?")
    )


def prompts_with_pictures() -> dict[str, bool]:
    """The processor of base models that see the pictures to edit, which diffusers' pipelines call."""
    import transformers
    from lora_workbench.engine.models.picture_processor import PictureProcessor
    from tiny_text import PICTURES_CHAT, save_qwen_vl_processor

    folder = Path("prompts_with_pictures")
    save_qwen_vl_processor(folder)
    ours = PictureProcessor.load(folder)
    theirs = transformers.Qwen3VLProcessor(
        image_processor=ours.images,
        tokenizer=ours.tokenizer,
        video_processor=transformers.Qwen3VLVideoProcessor(),
        chat_template=PICTURES_CHAT,
    )
    asked: dict[str, Any] = {
        "text": ["<|vision_start|><|image_pad|><|vision_end|> a fox, <|image_pad|>", "a <|image_pad|> bus"],
        "images": [picture().resize((64, 96)), picture(), picture().resize((32, 64))],
        "padding": True, "padding_side": "left", "return_tensors": "pt",
    }  # fmt: skip
    said = [{"role": "system", "content": [{"type": "text", "text": "Look."}]}]
    talk: dict[str, Any] = {"tokenize": True, "return_dict": False}
    same = theirs.apply_chat_template(said, **talk) == ours.apply_chat_template(said, **talk)
    return {"talk": same, **equal(theirs(**asked), dict(ours(**asked)))}


def florence2() -> dict[str, bool]:
    import transformers
    from lora_workbench.engine.captions.captioners import open_captioner
    from lora_workbench.engine.captions.florence2 import TASKS
    from tiny_captioners import save_tiny_florence2

    captioner: Any = open_captioner(save_tiny_florence2(Path("florence2")), device="cpu")
    parts = captioner._parts
    parts.tokenizer.image_token, parts.tokenizer.image_token_id = "<image>", parts.model.config.image_token_id
    parts.images.image_seq_length = 65
    processor = transformers.Florence2Processor(image_processor=parts.images, tokenizer=parts.tokenizer)
    ours = parts.pixels(picture())
    ours["input_ids"] = captioner._tokens(TASKS["<CAPTION>"], ours["pixel_values"])
    theirs = processor(images=[picture()], text=["<CAPTION>"], return_tensors="pt")
    return equal({name: theirs[name] for name in ("pixel_values", "input_ids")}, ours)


main({"compared": compared})
