"""Prompts as conversations, as language models that stand in for text encoders read them."""

from __future__ import annotations

from typing import Any

from ..core.errors import CaptionError


def conversation(tokenizer: Any, prompt: str, *, thinking: bool) -> str:
    """The text that diffusers' pipelines make of a prompt for a language model.

    Args:
        tokenizer: with a chat template.
        prompt: what the user says.
        thinking: whether the model may think before it answers.
    """
    return tokenizer.apply_chat_template(
        [{"role": "user", "content": prompt}], tokenize=False, add_generation_prompt=True, enable_thinking=thinking
    )


def refuse_longer(prompt: str, tokens: int, most: int, title: str) -> None:
    """Refuse a prompt that a transformer has no positions for.

    Raises:
        CaptionError: it has more than ``most`` tokens.
    """
    if tokens > most:
        raise CaptionError(
            f"A caption or prompt has {tokens:,} tokens; it begins {prompt[:60]!r}.",
            expected=f"at most {most:,} tokens, which is all that {title} has positions for",
            hint="shorten it; if it comes from a file, check that the file holds a caption.",
        )
