"""Prompts by ComfyUI's own text encoders, as named tensors that can be cached and batched."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...engine.models.chunks import check_length
from ...engine.models.contract import Conditioning
from ...engine.models.word_embeddings import WordEmbedding
from .encoders import CLIP_ENCODERS
from .mirror import normal
from .seam import CLIP, ClipEncoder, Conditionings, TextEncoder
from .shown import showing
from .words import known, named

if TYPE_CHECKING:
    from torch import Tensor

LENGTH = ".length"
"""Suffix of a tensor's name: how much of its second axis belongs to each prompt, shape (B,); the rest is padding."""
_ROW = ".row"
"""Suffix of the name of a tensor that has no axis for the batch in ComfyUI, such as Anima's token ids."""
_LAYERS = ".layers"
"""Suffix of the name of a tensor with an axis for a text encoder's layers, which ComfyUI has before that of tokens."""
_MASK = "attention_mask"
RESERVED = ("guidance", "reference")
"""Names that mean the same for every base model; see ``Conditioning``."""
_TEXT, _POOLED = "cond", "pooled_output"


def encode(
    clip: CLIP,
    prompts: Sequence[str],
    encoder: TextEncoder | None = None,
    pictures: Tensor | None = None,
    words: Sequence[WordEmbedding] = (),
) -> Conditioning:
    """Encode prompts so that each is what it would be alone.

    Args:
        clip: the text encoders.
        prompts: read literally: parentheses weigh nothing.
        encoder: a mirror of their model that carries the adapters in training, to encode with; without one ComfyUI
            encodes.
        pictures: what the prompts show, (B, 3, H, W) in [-1, 1], where the text encoder sees pictures.
        words: that have vectors of their own.

    Raises:
        CaptionError: a prompt is absurdly long.
    """
    import torch

    check_length(prompts)
    shown = [{}] * len(prompts) if pictures is None else [showing(clip, picture) for picture in pictures.split(1)]
    texts = [named(prompt, words, _literal) for prompt in prompts]
    with known(clip, words):
        tokens = [clip.tokenize(text, **own) for text, own in zip(texts, shown, strict=True)]
    if encoder is not None:
        encoded = _by_mirror(clip, tokens, encoder)
    else:
        with torch.inference_mode():
            encoded = [clip.encode_from_tokens(own, return_pooled=True, return_dict=True) for own in tokens]
    return Conditioning.join([_with_lengths(parts) for parts in encoded])


def tokens_of(clip: CLIP, text: str) -> dict[str, list[str]]:
    """The tokens that ComfyUI's tokenizers make of a text, without start, end and padding, by encoder."""
    empty = clip.tokenize("")
    found = {}
    for name, rows in clip.tokenize(_literal(text)).items():
        tokenizer = _tokenizer(clip, name)
        marks = {token for row in empty.get(name, []) for token, *_ in row}
        named = getattr(tokenizer, "inv_vocab", {})
        tokens = [token for row in rows for token, *_ in row if isinstance(token, int) and token not in marks]
        if all(token in named for token in tokens):
            found[name] = [str(named[token]).removesuffix("</w>") for token in tokens]
    return found


def chunk_lengths(clip: CLIP) -> dict[str, int]:
    """How many tokens ComfyUI puts into one chunk, without start and end, by encoder that reads prompts in chunks."""
    found = {}
    for name, [first, *_] in clip.tokenize("").items():
        tokenizer = _tokenizer(clip, name)
        if getattr(tokenizer, "pad_to_max_length", False) and len(first) == tokenizer.max_length:
            marks = (tokenizer.start_token is not None) + (tokenizer.end_token is not None)
            found[name] = tokenizer.max_length - marks
    return found


def _tokenizer(clip: CLIP, name: str) -> Any:
    return getattr(clip.tokenizer, f"clip_{name}", None) or getattr(clip.tokenizer, name, None)


def _by_mirror(clip: CLIP, tokens: list[dict[str, Any]], encoder: TextEncoder) -> list[dict[str, Any]]:
    clip.load_model(tokens[0])
    encoder.reset_clip_options()
    if clip.layer_idx is not None:
        encoder.set_clip_options({"layer": clip.layer_idx})
    encoder.set_clip_options({"execution_device": clip.patcher.load_device})
    encoded = []
    with contextlib.ExitStack() as passes:
        for name in CLIP_ENCODERS:
            if (part := getattr(encoder, name, None)) is not None:
                key = name.removeprefix("clip_")
                passes.enter_context(_in_one_pass(part, [section for own in tokens for section in own[key]]))
        for own in tokens:
            states, pooled, *extra = encoder.encode_token_weights(own)
            encoded.append({_TEXT: states, _POOLED: pooled, **(extra[0] if extra else {})})
    return encoded


@contextlib.contextmanager
def _in_one_pass(encoder: ClipEncoder, sections: Sequence[Sequence[Any]]) -> Iterator[None]:
    """Inside the block, a CLIP encoder has its outputs for these sections of prompts from one pass over all of them.

    Sections have one length, as they are padded. Where pictures make them differ, they are left to ComfyUI.
    """
    rows = {tokens: row for row, tokens in enumerate(dict.fromkeys(tuple(t[0] for t in own) for own in sections))}
    as_long = all(isinstance(t, int) or getattr(t, "ndim", 0) == 1 for tokens in rows for t in tokens)
    if len({len(tokens) for tokens in rows}) != 1 or not as_long:
        yield
        return
    states, pooled, *extra = encoder([list(tokens) for tokens in rows])

    def known(wanted: list[list[int]]) -> tuple[Any, ...]:
        picked = [rows[tuple(tokens)] for tokens in wanted]
        more = ({name: value[picked] for name, value in made.items()} for made in extra)
        return states[picked], pooled if pooled is None else pooled[picked], *more

    encoder.encode = known
    try:
        yield
    finally:
        del encoder.encode


def _literal(prompt: str) -> str:
    return prompt.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")


def _with_lengths(encoded: dict[str, Any]) -> Conditioning:
    """The tensors in float32 (whole numbers as they are), each long one with its length."""
    import torch

    result = Conditioning()
    for name, value in encoded.items():
        if not isinstance(value, torch.Tensor) or value.ndim == 0:
            continue
        tensor = value if value.requires_grad else normal(value)
        if tensor.ndim == 1:
            name, tensor = name + _ROW, tensor[None]
        elif tensor.ndim > 3:
            name, tensor = name + _LAYERS, tensor.transpose(1, 2)
        result[name] = tensor.float() if tensor.is_floating_point() else tensor
        if tensor.ndim > 2 or name == _MASK or name.endswith(_ROW):
            result[name + LENGTH] = torch.tensor([tensor.shape[1]])
    return result


def in_groups(conditioning: Conditioning) -> Iterator[tuple[list[int], Conditioning]]:
    """(positions in the batch, their conditioning without padding) of the prompts that one call can take: those with
    equal lengths, and as many tokens that count, which some models take as a number for all."""
    import torch

    lengths = {name: value.tolist() for name, value in conditioning.items() if name.endswith(LENGTH)}
    counted = [value.sum(1).tolist() for name, value in conditioning.items() if name.endswith(_MASK)]
    count = len(next(iter(conditioning.values())))
    groups: dict[tuple[int, ...], list[int]] = {}
    for index in range(count):
        groups.setdefault(tuple(values[index] for values in (*lengths.values(), *counted)), []).append(index)
    for key, members in groups.items():
        own = dict(zip(lengths, key, strict=False))
        picked = conditioning if len(members) == count else conditioning.pick(torch.tensor(members))
        cut = {name: t[:, : own[name + LENGTH]] if name + LENGTH in own else t for name, t in picked.items()}
        yield members, Conditioning(cut)


def together_in_groups(prompts: Mapping[str, Conditioning]) -> Iterator[tuple[list[int], dict[str, Conditioning]]]:
    """The same for several conditionings of one batch, for sampling: those of a group can be sampled at once."""
    joined = Conditioning({f"{kind}/{name}": t for kind, own in prompts.items() for name, t in own.items()})
    for members, picked in in_groups(joined):
        if needs_own_call(joined):
            parts = zip(members, one_by_one(picked), strict=True)
            yield from (([member], _by_kind(own)) for member, own in parts)
        else:
            yield members, _by_kind(picked)


def _by_kind(joined: Conditioning) -> dict[str, Conditioning]:
    parts: dict[str, Conditioning] = {}
    for name, tensor in joined.items():
        kind, own = name.split("/", 1)
        parts.setdefault(kind, Conditioning())[own] = tensor
    return parts


def one_by_one(conditioning: Conditioning) -> Iterator[Conditioning]:
    """The conditioning of each prompt."""
    count = len(next(iter(conditioning.values())))
    yield from (conditioning.pick(slice(index, index + 1)) for index in range(count))


def needs_own_call(conditioning: Conditioning) -> bool:
    """Whether ComfyUI can sample only one of these prompts at a time: it counts the tokens of a whole batch as one
    prompt's, and has no axis for the batch in some tensors."""
    return any(name.endswith((_MASK, _ROW)) for name in conditioning)


def as_comfy(conditioning: Conditioning, **more: Any) -> Conditionings:
    """ComfyUI's CONDITIONING of one entry for the whole batch; without its padding, so of equal lengths.

    Args:
        conditioning: the reserved names are left out.
        more: what else the entry has.
    """
    left_out = (_TEXT, *RESERVED)
    rest = {name: value for name, value in conditioning.items() if name not in left_out and not name.endswith(LENGTH)}
    rest |= {name.removesuffix(_ROW): rest.pop(name)[0] for name in list(rest) if name.endswith(_ROW)}
    rest |= {n.removesuffix(_LAYERS): rest.pop(n).transpose(1, 2) for n in list(rest) if n.endswith(_LAYERS)}
    return [[conditioning[_TEXT], {_POOLED: None, **rest, **more}]]  # ComfyUI names it even where there is none
