"""Adapter files: safetensors that other programs load too, written atomically and verified."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..core.errors import AdapterError, OtherKindError
from ..core.hashing import bytes_hash
from ..core.storage import save_with
from ..core.words import first_of
from .adapter import Adapter
from .kinds import Update, read_update
from .names import FileKey, KeyStyle, file_keys, flat, parse, style_of

if TYPE_CHECKING:
    from torch import Tensor


HASH = "modelspec.hash_sha256"
"""Metadata field with the hash of all tensors."""


@dataclass(frozen=True)
class AdapterFile:
    """An adapter file as read, of any kind."""

    path: Path
    tensors: Mapping[str, Tensor] = field(repr=False)
    """Name -> tensor, as in the file."""
    metadata: Mapping[str, str] = field(repr=False)

    @cached_property
    def adapter(self) -> Adapter:
        """The file as an adapter.

        Raises:
            OtherKindError: it isn't a LoRA, or holds tensors that a LoRA doesn't have.
            AdapterError: values aren't finite, or factors don't fit each other.
        """
        return Adapter(
            name=self.path.stem,
            family=self.metadata.get("lw.family")
            or self.metadata.get("modelspec.architecture", "").removesuffix("/lora"),
            modules=_updates(self.tensors, str(self.path)),
            key_style=style_of(self.tensors),
            bound=False,
            metadata=self.metadata,
            path=self.path,
        )

    @property
    def trigger(self) -> str:
        """The trigger phrase; empty if there is none."""
        return self.metadata.get("modelspec.trigger_phrase", "")

    @cached_property
    def size(self) -> int:
        """Bytes of all tensors."""
        return sum(tensor.numel() * tensor.element_size() for tensor in self.tensors.values())


def save_adapter(
    adapter: Adapter, path: str | Path, *, key_style: KeyStyle, dtype: Literal["float16", "float32"] = "float16"
) -> Adapter:
    """Write an adapter, read it back and compare, before it replaces ``path``.

    Args:
        adapter: the adapter; the file's header is its metadata with ``modelspec.hash_sha256`` added.
        path: a ``.safetensors`` file, replaced if it exists.
        key_style: how the base model's family names the tensors, ``BackboneInfo.key_style``.
        dtype: of the factors. Alphas are always float32.

    Returns:
        The adapter as in the file, with values rounded to ``dtype`` and the module keys of ``adapter``.

    Raises:
        AdapterError: ``dtype`` can't hold the values, or the file doesn't read back as written.
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
    stored = _updates(tensors, str(path))
    keys = {flat(key): key for key in adapter.modules}
    modules = {keys[flat(name)]: update for name, update in stored.items()}
    return replace(adapter, modules=modules, metadata=metadata, path=path)


def load_adapter(path: str | Path) -> Adapter:
    """Read an adapter file with kohya's, PEFT's or diffusers' names; ``bind`` then finds the modules of a base model.

    Raises:
        AdapterError: there is no such file, it is damaged or isn't a LoRA, values aren't finite, or factors don't fit
            each other.
    """
    return read_adapter(path).adapter


def read_adapter(path: str | Path) -> AdapterFile:
    """Read a file, whatever kind of adapter it holds.

    Raises:
        AdapterError: there is no such file, or it is damaged.
    """
    path = Path(path)
    return AdapterFile(path, *_read(path))


def adapter_from_tensors(tensors: Mapping[str, Tensor], name: str) -> Adapter:
    """An adapter from tensors in memory, named as in files.

    Raises:
        OtherKindError: they aren't those of a LoRA, or not only those.
        AdapterError: values aren't finite, or factors don't fit each other.
    """
    return Adapter(name=name, family="", modules=_updates(tensors, name), key_style=style_of(tensors), bound=False)


def file_tensors(adapter: Adapter, *, dtype: Literal["float16", "float32"]) -> dict[str, Tensor]:
    """Name -> tensor, as in the adapter's file.

    Raises:
        AdapterError: ``dtype`` can't hold the values.
    """
    return _tensors(adapter, adapter.key_style, dtype)


def tensor_hash(adapter: Adapter, *, key_style: KeyStyle, dtype: Literal["float16", "float32"]) -> str:
    """The ``modelspec.hash_sha256`` that ``save_adapter`` writes; files with equal tensors have equal ones.

    Raises:
        AdapterError: ``dtype`` can't hold the values.
    """
    from safetensors.torch import save

    return _tensor_hash(save(_tensors(adapter, key_style, dtype)))


def read_metadata(path: str | Path) -> dict[str, str]:
    """The metadata of a safetensors file, from its header alone.

    Raises:
        AdapterError: there is no such file, or it isn't a safetensors file.
    """
    with _opened(Path(path)) as file:
        return dict(file.metadata() or {})


def _tensors(adapter: Adapter, style: KeyStyle, dtype: str) -> dict[str, Tensor]:
    """Name -> tensor, as written to the file."""
    import torch

    if style != "kohya" and not adapter.bound and adapter.key_style == "kohya":
        raise AdapterError(
            f"The adapter {adapter.name} can't be written with {style} names yet.",
            expected="an adapter bound to a base model, since kohya's names have lost the dots of module paths",
            hint="load it together with its base model first.",
        )
    tensors = {}
    for key, names in file_keys({key: update.kind for key, update in adapter.modules.items()}, style).items():
        for part, tensor in adapter.modules[key].parts(alpha_apart="alpha" in names).items():
            # Copies, even of equal dtype: the projections of a fused layer share their down factor.
            kept = torch.float32 if part == "alpha" else getattr(torch, dtype)
            tensors[names[part]] = tensor.to("cpu", kept, copy=True).contiguous()
    _refuse_non_finite(tensors, adapter.name, f"values that {dtype} can hold", "save it as float32, or train again")
    return tensors


def _tensor_hash(file: bytes) -> str:
    """Hash as defined by modelspec: of everything after the header, whose length is in the first 8 bytes."""
    return "0x" + bytes_hash(file[8 + int.from_bytes(file[:8], "little") :])


def _check(temporary: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str], *, of: Path) -> None:
    """Compare a file with the tensors and metadata that it should hold."""
    import torch

    read, header = _read(temporary)
    same = read.keys() == tensors.keys() and all(torch.equal(read[name], tensors[name]) for name in tensors)
    if not same or header != metadata:
        raise AdapterError(
            f"{of} does not read back as it was written.",
            expected="the same tensors and metadata",
            hint="check the disk, then save again; the previous file is untouched.",
        )


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    with _opened(path) as file:
        return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118


def _opened(path: Path) -> Any:
    """The file opened by safetensors, a context manager."""
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
            expected="a complete safetensors file",
            hint="it may be truncated or of another format; copy or download it again.",
        ) from error


def _updates(tensors: Mapping[str, Tensor], origin: str) -> dict[str, Update]:
    """Module -> update, from named tensors; ``origin`` names them in errors."""
    parsed = {name: parse(name) for name in tensors}
    _refuse_unknown(parsed, origin)
    hint = "its training diverged; use an earlier snapshot"
    _refuse_non_finite(tensors, Path(origin).name, "finite values", hint)
    parts: dict[str, dict[str, Tensor]] = defaultdict(dict)
    for name, key in parsed.items():
        if key:
            parts[key.module][key.part] = tensors[name]
    try:
        return {module: read_update(found, module) for module, found in parts.items()}
    except ValueError as error:
        raise AdapterError(
            f"{origin} is damaged: {error}.",
            expected="all parts of one kind of adapter per module, such as down (rank, in, …) and up (out, rank, …)",
            hint="copy, download or export the file again.",
        ) from error


def _refuse_unknown(parsed: Mapping[str, FileKey | None], origin: str) -> None:
    unknown = [name for name, key in parsed.items() if key is None]
    if not any(key and key.part != "alpha" for key in parsed.values()):
        raise OtherKindError(
            f"{origin} isn't a LoRA" + (f": it holds {first_of(unknown, 3)}." if unknown else ": it holds no factors."),
            expected="tensors with the names of kohya, PEFT or diffusers",
            hint="choose an adapter file; base models are loaded by their own node.",
        )
    if unknown:
        raise OtherKindError(
            f"{origin} holds {len(unknown)} tensors that a LoRA doesn't have: {first_of(unknown, 3)}.",
            expected="only the factors and alphas of a LoRA",
            hint="other kinds of adapter (DoRA, LoHa, LoKr, OFT, trained biases and norms) can't be used here, and "
            "pictures would be wrong without these tensors. In ComfyUI, apply such files through a LORA_STACK.",
        )


def _refuse_non_finite(tensors: Mapping[str, Tensor], name: str, expected: str, hint: str) -> None:
    broken = [key for key, tensor in tensors.items() if not tensor.isfinite().all()]
    if broken:
        raise AdapterError(
            f"The adapter {name} has NaN or infinite values in {len(broken)} tensors: {first_of(broken, 3)}.",
            expected=expected,
            hint=f"{hint}.",
        )
