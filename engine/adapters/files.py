"""Adapter files: safetensors that other programs load too, written atomically and checked before they count."""

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
from .adapter import Adapter
from .kinds import KINDS, Update
from .names import FileKey, KeyStyle, file_keys, flat, parse, style_of

if TYPE_CHECKING:
    from torch import Tensor


HASH = "modelspec.hash_sha256"
"""Metadata field with the hash of all tensors."""


@dataclass(frozen=True)
class AdapterFile:
    """An adapter file as read, of whatever kind."""

    path: Path
    tensors: Mapping[str, Tensor] = field(repr=False)
    """Name -> tensor, as they stand in the file."""
    metadata: Mapping[str, str] = field(repr=False)

    @cached_property
    def adapter(self) -> Adapter:
        """The file as an adapter, made once.

        Raises:
            OtherKindError: it holds something that LoRA doesn't have, or nothing that LoRA has.
            AdapterError: values aren't finite; factors don't fit each other.
        """
        return Adapter(
            name=self.path.stem,
            family=self.metadata.get("lw.family") or _architecture(self.metadata),
            modules=_updates(self.tensors, str(self.path)),
            key_style=style_of(self.tensors),
            bound=False,
            metadata=self.metadata,
            path=self.path,
        )

    @property
    def trigger(self) -> str:
        """The trigger phrase, or nothing."""
        return self.metadata.get("modelspec.trigger_phrase", "")

    @cached_property
    def size(self) -> int:
        """Bytes of all tensors."""
        return sum(tensor.numel() * tensor.element_size() for tensor in self.tensors.values())


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
    stored = _updates(tensors, str(path))
    keys = {flat(key): key for key in adapter.modules}
    modules = {keys[flat(name)]: update for name, update in stored.items()}
    return replace(adapter, modules=modules, metadata=metadata, path=path)


def load_adapter(path: str | Path) -> Adapter:
    """Read an adapter file in kohya's, PEFT's or diffusers' names; ``bind`` then finds the modules of a base model.

    Raises:
        AdapterError: nothing is there, the file is damaged or holds no LoRA, or something that LoRA doesn't have;
            values aren't finite; factors don't fit each other.
    """
    return read_adapter(path).adapter


def read_adapter(path: str | Path) -> AdapterFile:
    """Read a file whole, without asking yet whether all in it is known.

    Raises:
        AdapterError: nothing is there, or the file is damaged.
    """
    path = Path(path)
    return AdapterFile(path, *_read(path))


def adapter_from_tensors(tensors: Mapping[str, Tensor], name: str) -> Adapter:
    """An adapter that isn't a file, from its tensors under the names that files have.

    Raises:
        OtherKindError: something is there that LoRA doesn't have, or nothing that LoRA has.
        AdapterError: values aren't finite; factors don't fit each other.
    """
    return Adapter(name=name, family="", modules=_updates(tensors, name), key_style=style_of(tensors), bound=False)


def file_tensors(adapter: Adapter, *, dtype: Literal["float16", "float32"]) -> dict[str, Tensor]:
    """Tensor name -> tensor, as the adapter's file holds them.

    Raises:
        AdapterError: values that ``dtype`` can't hold.
    """
    return _tensors(adapter, adapter.key_style, dtype)


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

    if style != "kohya" and not adapter.bound and adapter.key_style == "kohya":
        raise AdapterError(
            f"The adapter {adapter.name} can't be written with {style} names yet.",
            expected="an adapter matched with a base model, since its file may have lost the dots of the names",
            hint="load it together with its base model first.",
        )
    tensors = {}
    for key, names in file_keys({key: update.kind for key, update in adapter.modules.items()}, style).items():
        for part, tensor in adapter.modules[key].parts(alpha_apart="alpha" in names).items():
            # A copy even of equal dtype: projections that were trained as one layer share their down factor.
            kept = torch.float32 if part == "alpha" else getattr(torch, dtype)
            tensors[names[part]] = tensor.to("cpu", kept, copy=True).contiguous()
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


def _updates(tensors: Mapping[str, Tensor], origin: str) -> dict[str, Update]:
    """Gather the tensors of each module; ``origin`` is what errors call the whole."""
    parsed = {name: parse(name) for name in tensors}
    _refuse_unknown(parsed, origin)
    name = Path(origin).name
    _refuse_non_finite(tensors, name, "finite values", "the training broke down; use an earlier checkpoint")
    parts: dict[str, dict[str, Tensor]] = defaultdict(dict)
    for name, key in parsed.items():
        if key:
            parts[key.module][key.part] = tensors[name]
    return {module: _update(module, found, origin) for module, found in parts.items()}


def _update(module: str, parts: Mapping[str, Tensor], origin: str) -> Update:
    kind = next((kind for kind in KINDS if kind.claims({*parts})), None)
    if kind is None:
        likely = max(KINDS, key=lambda kind: len(kind.suffixes.keys() & parts.keys()))
        missing = sorted(likely.suffixes.keys() - parts.keys() - {"alpha"})
        raise _damaged(origin, f"{module} has no {' and no '.join(missing)}")
    try:
        return kind.from_parts(parts, module)
    except ValueError as error:
        raise _damaged(origin, str(error)) from error


def _architecture(metadata: Mapping[str, str]) -> str:
    return metadata.get("modelspec.architecture", "").removesuffix("/lora")


def _damaged(origin: str, what: str) -> AdapterError:
    return AdapterError(
        f"{origin} is damaged: {what}.",
        expected="for each module all parts of one kind of adapter, such as down (rank, in, …) and up (out, rank, …)",
        hint="copy or download the file again, or export it anew.",
    )


def _refuse_unknown(parsed: Mapping[str, FileKey | None], origin: str) -> None:
    unknown = [name for name, key in parsed.items() if key is None]
    if not any(key and key.part != "alpha" for key in parsed.values()):
        raise OtherKindError(
            f"{origin} holds no LoRA" + (f"; its tensors are called {', '.join(unknown[:3])}." if unknown else "."),
            expected="tensors named as kohya, PEFT or diffusers name them",
            hint="choose an adapter file; base models go where base models are loaded.",
        )
    if unknown:
        raise OtherKindError(
            f"{origin} holds {len(unknown)} tensors that a LoRA doesn't have: {', '.join(unknown[:3])}.",
            expected="nothing but the factors and alphas of a LoRA",
            hint="other kinds of adapter (DoRA, LoHa, LoKr, OFT, changed biases and norms) can't be used here; without "
            "these tensors the pictures would be wrong. In ComfyUI such files can be applied by a LORA_STACK.",
        )


def _refuse_non_finite(tensors: Mapping[str, Tensor], name: str, expected: str, hint: str) -> None:
    broken = [key for key, tensor in tensors.items() if not tensor.isfinite().all()]
    if broken:
        raise AdapterError(
            f"The adapter {name} has NaN or infinite values in {len(broken)} tensors, {broken[0]} for one.",
            expected=expected,
            hint=f"{hint}.",
        )
