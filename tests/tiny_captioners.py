"""Tiny real captioners with random weights, made on the spot, as the folders that users give."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

WORDS = ("a", "fox", "in", "snow", "red", "blue", "small", "photo", "of", "the")


def save_tiny_blip(folder: Path, seed: int = 0) -> Path:
    """BLIP for 32 px pictures."""
    import torch
    from transformers import BertTokenizer, BlipConfig, BlipForConditionalGeneration, BlipImageProcessor, BlipProcessor

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]"]
    vocab = {word: number for number, word in enumerate([*special, *WORDS, "a_"])}
    tokenizer = BertTokenizer(vocab, bos_token="[DEC]")
    common = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = BlipConfig(
        vision_config={**common, "image_size": 32, "patch_size": 8, "initializer_range": 0.2},
        text_config={
            **common, "vocab_size": len(vocab), "encoder_hidden_size": 32, "max_position_embeddings": 64,
            "bos_token_id": 5, "eos_token_id": 3, "sep_token_id": 3, "pad_token_id": 0, "initializer_range": 0.5,
        },
        projection_dim=32,
    )  # fmt: skip
    torch.manual_seed(seed)
    BlipForConditionalGeneration(config).eval().save_pretrained(folder)
    BlipProcessor(BlipImageProcessor(size={"height": 32, "width": 32}), tokenizer).save_pretrained(folder)
    return folder


def byte_vocabulary(extra: tuple[str, ...]) -> dict[str, int]:
    """A token for each byte, in byte-level BPE's spelling, after the given ones."""
    from tokenizers.pre_tokenizers import ByteLevel

    return {token: number for number, token in enumerate([*extra, *sorted(ByteLevel.alphabet())])}


def save_tiny_florence2(folder: Path, seed: int = 0) -> Path:
    """Florence-2 in the layout of transformers itself, for 64 px pictures."""
    import torch
    from transformers import (
        AddedToken,
        BartTokenizer,
        CLIPImageProcessor,
        Florence2Config,
        Florence2ForConditionalGeneration,
    )

    vocab = byte_vocabulary(("<s>", "<pad>", "</s>", "<unk>", "<mask>"))
    tokenizer = BartTokenizer(vocab, [])
    tokenizer.add_special_tokens({"additional_special_tokens": [AddedToken("<image>", special=True)]})
    image_token = tokenizer.convert_tokens_to_ids("<image>")
    config = Florence2Config(
        vision_config={
            "depths": (1, 1), "patch_size": (7, 3), "patch_stride": (4, 2), "patch_padding": (3, 1),
            "patch_prenorm": (False, True), "embed_dim": (16, 32), "num_heads": (2, 2), "num_groups": (2, 2),
            "window_size": 4, "projection_dim": 32, "drop_path_rate": 0.0,
        },
        text_config={
            "model_type": "bart", "vocab_size": len(tokenizer), "d_model": 32, "encoder_layers": 1, "decoder_layers": 1,
            "encoder_attention_heads": 2, "decoder_attention_heads": 2, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64,
            "max_position_embeddings": 512, "bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2,
            "decoder_start_token_id": 2, "forced_eos_token_id": 2, "init_std": 0.5,
        },
        image_token_id=image_token, bos_token_id=0, pad_token_id=1, eos_token_id=2, decoder_start_token_id=2,
    )  # fmt: skip
    torch.manual_seed(seed)
    Florence2ForConditionalGeneration(config).eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    size = {"height": 64, "width": 64}
    processor = CLIPImageProcessor(size=size, crop_size=size, do_center_crop=False)
    processor.image_seq_length = 65
    processor.save_pretrained(folder)
    return folder


def save_tiny_qwen_vl(folder: Path, seed: int = 0, kind: str = "qwen2_5_vl") -> Path:
    """A Qwen-VL model of one of its generations: ``qwen2_vl``, ``qwen2_5_vl`` or ``qwen3_vl``."""
    import torch
    import transformers
    from transformers import Qwen2Tokenizer, Qwen2VLImageProcessor

    special = (
        "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>",
        "<|video_pad|>",
    )  # fmt: skip
    tokenizer = Qwen2Tokenizer(byte_vocabulary(special), [], additional_special_tokens=list(special[1:]))
    name = {"qwen2_vl": "Qwen2VL", "qwen2_5_vl": "Qwen2_5_VL", "qwen3_vl": "Qwen3VL"}[kind]
    patch = 16 if kind == "qwen3_vl" else 14
    vision = {"depth": 2, "num_heads": 2, "patch_size": patch, "spatial_merge_size": 2, "temporal_patch_size": 2}
    vision |= {
        "qwen2_vl": {"embed_dim": 32, "hidden_size": 32, "mlp_ratio": 2},
        "qwen2_5_vl": {
            "hidden_size": 32, "intermediate_size": 64, "out_hidden_size": 32, "window_size": 56,
            "fullatt_block_indexes": [1],
        },
        "qwen3_vl": {
            "hidden_size": 32, "intermediate_size": 64, "out_hidden_size": 32, "num_position_embeddings": 16,
            "deepstack_visual_indexes": [0],
        },
    }[kind]  # fmt: skip
    text = {
        "vocab_size": len(tokenizer), "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 2, "num_key_value_heads": 2, "max_position_embeddings": 2048, "initializer_range": 0.5,
        "bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 0,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 3, 3]},
    }  # fmt: skip
    if kind == "qwen3_vl":
        text["head_dim"] = 16
    config = getattr(transformers, f"{name}Config")(
        vision_config=vision, text_config=text, vision_start_token_id=3, vision_end_token_id=4, image_token_id=5,
        video_token_id=6,
    )  # fmt: skip
    torch.manual_seed(seed)
    getattr(transformers, f"{name}ForConditionalGeneration")(config).eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    Qwen2VLImageProcessor(
        patch_size=patch, min_pixels=(2 * patch) ** 2, max_pixels=(4 * patch) ** 2, merge_size=2
    ).save_pretrained(folder)
    return folder


TAGS = (
    ("general", 9), ("explicit", 9), ("snow", 0), ("red_fur", 0), ("^_^", 0), ("blue_sky", 0), ("fox_(series)", 4),
)  # fmt: skip
"""Names and categories, as ``selected_tags.csv`` holds them."""


def save_tiny_wd14(folder: Path, seed: int = 0) -> Path:
    """A tagger of 32 px pictures that is sure of a tag by the mean of blue, green and red."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(seed)
    weights = generator.normal(0, 6, (3, len(TAGS))).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["pixels"], ["mean"], axes=[1, 2], keepdims=0),
            helper.make_node("Mul", ["mean", "scale"], ["share"]),
            helper.make_node("MatMul", ["share", "weights"], ["sums"]),
            helper.make_node("Sigmoid", ["sums"], ["tags"]),
        ],
        "tagger",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["batch", 32, 32, 3])],
        [helper.make_tensor_value_info("tags", TensorProto.FLOAT, ["batch", len(TAGS)])],
        [
            numpy_helper.from_array(np.float32(1 / 255), "scale"),
            numpy_helper.from_array(weights, "weights"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    lines = ["tag_id,name,category,count", *(f"{n},{name},{kind},1" for n, (name, kind) in enumerate(TAGS))]
    (folder / "selected_tags.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


TINY: dict[str, Callable[..., Path]] = {
    "blip": save_tiny_blip,
    "florence2": save_tiny_florence2,
    "qwen_vl": save_tiny_qwen_vl,
    "wd14": save_tiny_wd14,
}
"""Kind -> what saves a tiny captioner of it into a folder, with random weights by ``seed``."""
