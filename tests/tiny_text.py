"""Tiny tokenizers and text encoders of the kinds that transformers have, trained or made on the spot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

WORDS = """a an the photo drawing picture painting of in on with and by at to from very long short prompt fox dog cat
red blue green bus house tree beach background style zwx riso person product light dark old new small large"""


def t5_tokenizer() -> Any:
    """A tokenizer of T5's class with a vocabulary of words and letters."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import T5TokenizerFast

    letters = [chr(code) for code in range(33, 127)]
    pieces = ["<pad>", "</s>", "<unk>", *(f"▁{word}" for word in WORDS.split()), "▁", *letters]
    trained = Tokenizer(models.Unigram([(piece, -float(place)) for place, piece in enumerate(pieces)], unk_id=2))
    trained.pre_tokenizer = pre_tokenizers.Metaspace()
    trained.decoder = decoders.Metaspace()
    trained.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return T5TokenizerFast(tokenizer_object=trained, extra_ids=0)


def t5_encoder(width: int = 32) -> Any:
    """A T5 encoder with random weights."""
    from transformers import T5Config, T5EncoderModel

    return T5EncoderModel(
        T5Config(vocab_size=256, d_model=width, d_kv=8, d_ff=32, num_layers=2, num_heads=2, is_encoder_decoder=False)
    )


def clip_encoder(width: int = 32, **more: Any) -> Any:
    """A CLIP text encoder with random weights for the demo base's tokenizer."""
    from transformers import CLIPTextConfig, CLIPTextModel

    return CLIPTextModel(CLIPTextConfig(
        vocab_size=2048, hidden_size=width, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=32, bos_token_id=2046, eos_token_id=2047, pad_token_id=2047, **more,
    ))  # fmt: skip


CHAT = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""Qwen's template for conversations without tools, thinking or pictures."""


PICTURES_CHAT = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{% if message.content is string %}"
    "{{ message.content }}{% else %}{% for part in message.content %}{{ part.text }}{% endfor %}{% endif %}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""Qwen-VL's template for conversations whose messages are text, or lists of parts."""


def save_qwen_vl_processor(folder: Path, *, patch_size: int = 16) -> None:
    """The files of a processor of Qwen-VL's classes, which need no torchvision."""
    from transformers import Qwen2VLImageProcessor

    tokenizer = qwen_tokenizer(["<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"])
    tokenizer.chat_template = PICTURES_CHAT
    tokenizer.save_pretrained(folder)
    half = [0.5, 0.5, 0.5]
    Qwen2VLImageProcessor(
        patch_size=patch_size, merge_size=2, min_pixels=32 * 32, max_pixels=4096 * 4096, image_mean=half, image_std=half
    ).save_pretrained(folder)


def qwen_tokenizer(more: Sequence[str] = ()) -> Any:
    """A tokenizer of Qwen's class, byte-level, with its marks of conversations.

    Args:
        more: further special tokens, such as those for pictures.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import Qwen2TokenizerFast

    marks = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *more]
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trained.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=marks, initial_alphabet=alphabet, show_progress=False)
    trained.train_from_iterator([WORDS], trainer)
    return Qwen2TokenizerFast(
        tokenizer_object=trained, chat_template=CHAT, eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )


def qwen3_encoder(width: int = 16, layers: int = 3) -> Any:
    """A Qwen3 language model with random weights for :func:`qwen_tokenizer`."""
    from transformers import Qwen3Config, Qwen3Model

    return Qwen3Model(Qwen3Config(**_qwen3(width, layers)))


def qwen3_for_text(width: int = 16, layers: int = 3) -> Any:
    """:func:`qwen3_encoder` with its output for words."""
    from transformers import Qwen3Config, Qwen3ForCausalLM

    return Qwen3ForCausalLM(Qwen3Config(**_qwen3(width, layers)))


def qwen25_vl(width: int = 16) -> Any:
    """A Qwen2.5-VL model with random weights for :func:`qwen_tokenizer`, or :func:`save_qwen_vl_processor`.

    They are large enough for its attention to depend on the places of tokens.
    """
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    text = {
        "vocab_size": 400, "hidden_size": width, "intermediate_size": 32, "num_hidden_layers": 2,
        "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 8192,
        "rope_scaling": {"type": "mrope", "mrope_section": [1, 1, 2], "rope_type": "default"}, "rope_theta": 1e6,
        "initializer_range": 0.4,
    }  # fmt: skip
    vision = {
        "depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": width,
        "fullatt_block_indexes": [0], "initializer_range": 0.4,
    }  # fmt: skip
    return Qwen2_5_VLForConditionalGeneration(Qwen2_5_VLConfig(
        text_config=text, vision_config=vision, vision_start_token_id=3, vision_end_token_id=4, image_token_id=5,
        video_token_id=6,
    ))  # fmt: skip


def qwen3_vl_encoder(width: int = 16, layers: int = 3) -> Any:
    """A Qwen3-VL model with random weights, whose language model is that of :func:`qwen3_encoder`."""
    from transformers import Qwen3VLConfig, Qwen3VLModel

    rope = {"rope_type": "default", "mrope_section": [1, 1, 2], "mrope_interleaved": True, "rope_theta": 1e6}
    vision = {
        "depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": width,
        "deepstack_visual_indexes": [0], "num_position_embeddings": 16,
    }  # fmt: skip
    return Qwen3VLModel(Qwen3VLConfig(
        text_config=_qwen3(width, layers) | {"rope_parameters": rope, "rope_scaling": rope}, vision_config=vision,
    ))  # fmt: skip


def qwen3_vl_for_text(width: int = 16, layers: int = 3) -> Any:
    """:func:`qwen3_vl_encoder` with its output for words, for :func:`save_qwen_vl_processor`."""
    from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

    parts = qwen3_vl_encoder(width, layers).config
    return Qwen3VLForConditionalGeneration(Qwen3VLConfig(
        text_config=parts.text_config.to_dict(), vision_config=parts.vision_config.to_dict(),
        vision_start_token_id=3, vision_end_token_id=4, image_token_id=5, video_token_id=6,
    ))  # fmt: skip


def _qwen3(width: int, layers: int) -> dict[str, Any]:
    return {
        "vocab_size": 400, "hidden_size": width, "intermediate_size": 32, "num_hidden_layers": layers,
        "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 8, "max_position_embeddings": 8192,
    }  # fmt: skip
