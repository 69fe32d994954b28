"""Adapter files: safetensors that other programs load too, written atomically and checked before they count."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..errors import AdapterError
from ..storage import bytes_hash, save_with
from .adapter import Adapter, LowRank
from .keys import FileKey, KeyStyle, file_keys, flat, parse, style_of

if TYPE_CHECKING:
    from torch import Tensor


HASH = "modelspec.hash_sha256"
"""Metadata field with the hash of all tensors."""


def save_adapter(
    adapter: Adapter, path: str | Path, *, key_style: KeyStyle, dtype: Literal["float16", "float32"] = "float16"
) -> Adapter:
    """Write an adapter, load it back and compare; only then does it take the place of ``path``.

    Args:
        adapter: what to write; its metadata go into the file's header, with ``modelspec.hash_sha256`` added.
        path: a ``.safetensors`` file, replaced if it exists.
        key_style: how the base model's family names the tensors, ``BackboneInfo.key_style``.
        dtype: of the factors. Alphas are float32 always.

    Returns:
        The adapter as it stands in the file, values rounded to ``dtype``, with the module keys of ``adapter``.

    Raises:
        AdapterError: values that ``dtype`` can't hold, or the file doesn't read back as written.
        StorageError: the disk is full, or the folder can't be written. The previous file stays in all cases.
    """
    from safetensors.torch import save, save_file

    path = Path(path)
    tensors = _tensors(adapter, key_style, dtype)
    metadata = {**adapter.metadata, HASH: _tensor_hash(save(tensors))}

    def save_and_check(temporary: str) -> None:
        save_file(tensors, temporary, metadata=metadata)
        _check(Path(temporary), tensors, metadata, of=path)

    save_with(path, save_and_check)
    stored = _updates(tensors, path)
    keys = {flat(key): key for key in adapter.modules}
    modules = {keys[flat(name)]: update for name, update in stored.items()}
    return replace(adapter, modules=modules, metadata=metadata, path=path)


def load_adapter(path: str | Path) -> Adapter:
    """Read an adapter file in kohya's, PEFT's or diffusers' names; ``bind`` then finds the modules of a base model.

    Raises:
        AdapterError: nothing is there, the file is damaged or holds no LoRA, or something that LoRA doesn't have;
            values aren't finite; factors don't fit each other.
    """
    path = Path(path)
    tensors, metadata = _read(path)
    return Adapter(
        name=path.stem,
        family=metadata.get("lw.family") or metadata.get("modelspec.architecture", "").removesuffix("/lora"),
        modules=_updates(tensors, path),
        key_style=style_of(tensors),
        bound=False,
        metadata=metadata,
        path=path,
    )


def tensor_hash(adapter: Adapter, *, key_style: KeyStyle, dtype: Literal["float16", "float32"]) -> str:
    """What ``save_adapter`` would write as ``modelspec.hash_sha256``: equal for files with equal tensors.

    Raises:
        AdapterError: values that ``dtype`` can't hold.
    """
    from safetensors.torch import save

    return _tensor_hash(save(_tensors(adapter, key_style, dtype)))


def read_metadata(path: str | Path) -> dict[str, str]:
    """The metadata in a safetensors file's header; no tensor is read.

    Raises:
        AdapterError: nothing is there, or it isn't a safetensors file.
    """
    with _opened(Path(path)) as file:
        return dict(file.metadata() or {})


def _tensors(adapter: Adapter, style: KeyStyle, dtype: str) -> dict[str, Tensor]:
    """Tensor name -> tensor as it goes into the file."""
    import torch

    if style == "transformer" and not adapter.bound:
        raise AdapterError(
            f"The adapter {adapter.name} can't be written with transformer names yet.",
            expected="an adapter matched with a base model, since its file may have lost the dots of the names",
            hint="load it together with its base model first.",
        )
    tensors = {}
    for key, names in file_keys(adapter.modules, style).items():
        update = adapter.modules[key]
        up = update.up.detach().float()
        if "alpha" in names:
            tensors[names["alpha"]] = torch.tensor(float(update.alpha))
        else:
            up = up * (update.alpha / update.rank)
        for name, factor in ((names["down"], update.down.detach()), (names["up"], up)):
            tensors[name] = factor.to("cpu", getattr(torch, dtype)).contiguous()
    _refuse_non_finite(tensors, adapter.name, f"values that {dtype} can hold", "save it as float32, or train again")
    return tensors


def _tensor_hash(file: bytes) -> str:
    """As modelspec defines it: of everything behind the header, whose length stands in the first 8 bytes."""
    return "0x" + bytes_hash(file[8 + int.from_bytes(file[:8], "little") :])


def _check(temporary: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str], *, of: Path) -> None:
    """Compare a written file with what was to be written."""
    import torch

    read, header = _read(temporary)
    same = read.keys() == tensors.keys() and all(torch.equal(read[name], tensors[name]) for name in tensors)
    if not same or header != metadata:
        raise AdapterError(
            f"{of} does not read back as it was written.",
            expected="the same tensors and metadata",
            hint="check the disk, then save again; what was there before is unharmed.",
        )


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    with _opened(path) as file:
        return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118


def _opened(path: Path) -> Any:
    """The open file as safetensors gives it, for ``with``."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise AdapterError(
            f"No adapter at {path}.",
            expected="a .safetensors file",
            hint="check the name and the folder.",
        )
    try:
        return safe_open(path, framework="pt")
    except (SafetensorError, OSError) as error:
        raise AdapterError(
            f"{path} can't be read as an adapter: {error}.",
            expected="a whole safetensors file",
            hint="it may be cut short or of another kind; copy or download it again.",
        ) from error


def _updates(tensors: Mapping[str, Tensor], path: Path) -> dict[str, LowRank]:
    """Gather the tensors of each module."""
    parsed = {name: parse(name) for name in tensors}
    _refuse_unknown(parsed, path)
    _refuse_non_finite(tensors, path.name, "finite values", "the training broke down; use an earlier checkpoint")
    parts: dict[str, dict[str, Tensor]] = defaultdict(dict)
    for name, key in parsed.items():
        if key:
            parts[key.module][key.part] = tensors[name]
    return {module: _update(module, found, path) for module, found in parts.items()}


def _update(module: str, parts: Mapping[str, Tensor], path: Path) -> LowRank:
    down, up, alpha = parts.get("down"), parts.get("up"), parts.get("alpha")
    if down is None or up is None:
        raise _damaged(path, f"{module} has no {'down' if down is None else 'up'} factor")
    shapes = f"{module} has factors of shapes {tuple(down.shape)} (down) and {tuple(up.shape)} (up)"
    if down.ndim < 2 or up.ndim < 2 or any(side != 1 for side in up.shape[2:]):
        raise _damaged(path, shapes)
    if down.shape[0] != up.shape[1] or down.shape[0] == 0:
        raise _damaged(path, f"{shapes}, whose ranks {down.shape[0]} and {up.shape[1]} differ or are zero")
    if alpha is not None and alpha.numel() != 1:
        raise _damaged(path, f"{module} has an alpha of shape {tuple(alpha.shape)}")
    return LowRank(down=down, up=up, alpha=float(down.shape[0] if alpha is None else alpha.item()))


def _damaged(path: Path, what: str) -> AdapterError:
    return AdapterError(
        f"{path} is damaged: {what}.",
        expected="for each module a down factor (rank, in, …), an up factor (out, rank, …) and at most one alpha",
        hint="copy or download the file again, or export it anew.",
    )


def _refuse_unknown(parsed: Mapping[str, FileKey | None], path: Path) -> None:
    unknown = [name for name, key in parsed.items() if key is None]
    if not any(key and key.part != "alpha" for key in parsed.values()):
        raise AdapterError(
            f"{path} holds no LoRA" + (f"; its tensors are called {', '.join(unknown[:3])}." if unknown else "."),
            expected="tensors named as kohya, PEFT or diffusers name them",
            hint="choose an adapter file; base models go where base models are loaded.",
        )
    if unknown:
        raise AdapterError(
            f"{path} holds {len(unknown)} tensors that a LoRA doesn't have: {', '.join(unknown[:3])}.",
            expected="nothing but the factors and alphas of a LoRA",
            hint="adapters of other kinds (DoRA, LoHa, LoKr, OFT) can't be used here; without these tensors "
            "the pictures would be wrong.",
        )


def _refuse_non_finite(tensors: Mapping[str, Tensor], name: str, expected: str, hint: str) -> None:
    broken = [key for key, tensor in tensors.items() if not tensor.isfinite().all()]
    if broken:
        raise AdapterError(
            f"The adapter {name} has NaN or infinite values in {len(broken)} tensors, {broken[0]} for one.",
            expected=expected,
            hint=f"{hint}.",
        )
