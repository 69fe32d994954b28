"""Adapter files: safetensors that other programs load too, written atomically and verified."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..core.errors import AdapterError
from ..core.hashing import bytes_hash
from ..core.storage import save_with
from .adapter import Adapter, Origin
from .folders import folder_of, sources_of
from .headers import Header, read_header, unreadable
from .kinds import Decomposed
from .kinds.dora import NORMS, UNCHANGED
from .names import KeyStyle, file_keys, flat, parse, style_of
from .reading import contents
from .refusing import refuse_non_finite, refuse_unknown
from .scales import DIFFUSERS_KEY
from .unused import ANY_ADAPTER
from .writers import writer_of

if TYPE_CHECKING:
    from torch import Tensor


HASH = "modelspec.hash_sha256"
"""Metadata field with the hash of all tensors."""


@dataclass(frozen=True)
class AdapterFile:
    """An adapter as read from its file, or its folder of files, of any kind."""

    path: Path
    tensors: Mapping[str, Tensor] = field(repr=False)
    """Name -> tensor, as in the file."""
    metadata: Mapping[str, str] = field(repr=False)
    configs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    """Component's name in diffusers, or nothing, -> peft's configuration beside the file."""

    @cached_property
    def adapter(self) -> Adapter:
        """The file as an adapter.

        Raises:
            OtherKindError: it is of a kind that isn't known here, or holds more than an adapter.
            AdapterError: values aren't finite, parts don't fit each other, or its strength can't be known.
        """
        found = contents(self.tensors, str(self.path), metadata=self.metadata, configs=self.configs)
        return Adapter(
            name=self.name,
            family=self.metadata.get("lw.family")
            or self.metadata.get("modelspec.architecture", "").removesuffix("/lora"),
            modules=found.updates,
            key_style=style_of(self.tensors),
            bound=False,
            metadata=self.metadata,
            path=self.path if found.portable else None,
            embeddings=found.embeddings,
            origin=Origin(
                writer=writer_of(self.tensors, self.metadata, self.configs), scale=found.scale, notes=found.notes
            ),
        )

    @property
    def name(self) -> str:
        """Of the file without its ending, or of the folder that is the adapter."""
        folder = folder_of(self.path)
        return folder.name if folder else self.path.stem if self.path.is_file() else self.path.name

    @property
    def self_contained(self) -> bool:
        """Whether programs that read only the tensors load it at its strength."""
        return not self.configs and DIFFUSERS_KEY not in self.metadata

    @property
    def trigger(self) -> str:
        """The trigger phrase; empty if there is none."""
        return self.metadata.get("modelspec.trigger_phrase", "")

    @cached_property
    def size(self) -> int:
        """Bytes of all tensors."""
        return sum(tensor.numel() * tensor.element_size() for tensor in self.tensors.values())


def save_adapter(
    adapter: Adapter,
    path: str | Path,
    *,
    key_style: KeyStyle,
    dtype: Literal["float16", "float32"] = "float16",
    new: bool = False,
) -> Adapter:
    """Write an adapter, read it back and compare, before it replaces ``path``.

    Args:
        adapter: the adapter; the file's header is its metadata with ``modelspec.hash_sha256`` added.
        path: a ``.safetensors`` file, replaced if it exists.
        key_style: how the base model's family names the tensors, ``BackboneInfo.key_style``.
        dtype: of the factors. Alphas are always float32.
        new: replace nothing.

    Returns:
        The adapter as in the file, with values rounded to ``dtype`` and the module keys of ``adapter``.

    Raises:
        AdapterError: ``dtype`` can't hold the values, or the file doesn't read back as written.
        NameTakenError: with ``new``, the file exists.
        StorageError: the disk is full, or the folder can't be written. The previous file stays in all cases.
    """
    from safetensors.torch import save, save_file

    path = Path(path)
    tensors = _tensors(adapter, key_style, dtype)
    metadata = {**adapter.metadata, HASH: _tensor_hash(save(tensors))}
    for replaced in (DIFFUSERS_KEY, NORMS):  # the tensors have the strength now
        metadata.pop(replaced, None)
    metadata |= _norms(adapter)

    def save_and_check(temporary: str) -> None:
        save_file(tensors, temporary, metadata=metadata)
        _check(Path(temporary), tensors, metadata, of=path)

    save_with(path, save_and_check, new=new)
    stored = contents(tensors, str(path), metadata=_norms(adapter)).updates
    keys = {flat(key): key for key in adapter.modules}
    modules = {keys[flat(name)]: update for name, update in stored.items()}
    return replace(adapter, modules=modules, metadata=metadata, path=path)


def load_adapter(path: str | Path) -> Adapter:
    """Read an adapter of another program or our own; ``bind`` then finds the modules of a base model.

    Raises:
        AdapterError: there is no such file or folder, it is damaged or no adapter, values aren't finite, parts don't
            fit each other, or its strength can't be known.
    """
    return read_adapter(path).adapter


def read_adapter(path: str | Path) -> AdapterFile:
    """Read a file, or a folder of peft's, whatever kind of adapter it holds.

    Raises:
        AdapterError: there is no such file or folder, it is damaged, or holds no adapter.
    """
    path = Path(path)
    tensors: dict[str, Tensor] = {}
    metadata: dict[str, str] = {}
    configs: dict[str, Mapping[str, Any]] = {}
    for source in sources_of(path):
        header = read_header(source.path)
        _refuse_base_model(header, source.path)
        begin = f"{source.component}." if source.component else ""
        tensors |= {begin + name: tensor for name, tensor in _read_tensors(source.path).items()}
        metadata |= header.metadata
        if source.config is not None:
            configs[source.component] = source.config
    return AdapterFile(path, tensors, metadata, configs)


def adapter_from_tensors(tensors: Mapping[str, Tensor], name: str) -> Adapter:
    """An adapter from tensors in memory, named as in files.

    It is what ComfyUI's own nodes would apply: these know such tensors, and no header that says more of them.

    Raises:
        OtherKindError: they aren't those of a known kind of adapter, or not only those.
        AdapterError: values aren't finite, or parts don't fit each other.
    """
    found = contents(tensors, name, metadata={NORMS: UNCHANGED})
    origin = Origin(writer=writer_of(tensors, {}, {}), scale=found.scale, notes=found.notes)
    return Adapter(
        name=name,
        family="",
        modules=found.updates,
        key_style=style_of(tensors),
        bound=False,
        embeddings=found.embeddings,
        origin=origin,
    )


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
    """The metadata of an adapter, from the headers of its files alone.

    Raises:
        AdapterError: there is no such file, or it isn't a safetensors file.
    """
    path = Path(path)
    files = [source.path for source in sources_of(path)] if path.is_dir() else [path]
    found: dict[str, str] = {}
    for file in files:
        found |= read_header(file).metadata
    return found


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
    tensors |= {name: tensor.to("cpu", copy=True).contiguous() for name, tensor in adapter.embeddings.items()}
    refuse_non_finite(tensors, adapter.name, f"values that {dtype} can hold", "save it as float32, or train again")
    return tensors


def _norms(adapter: Adapter) -> dict[str, str]:
    """The metadata that says in which form the magnitudes of its DoRAs are.

    Raises:
        AdapterError: they are in both.
    """
    forms = {u.by_unchanged for u in adapter.modules.values() if isinstance(u, Decomposed) and u.per_row}
    if len(forms) > 1:
        raise AdapterError(
            f"The adapter {adapter.name} has DoRAs of two forms, ComfyUI's and that of other programs.",
            expected="one form in a file",
            hint="save it with save_as = ComfyUI, with its base model.",
        )
    return {NORMS: UNCHANGED} if True in forms else {}


def _tensor_hash(file: bytes) -> str:
    """Hash as defined by modelspec: of everything after the header, whose length is in the first 8 bytes."""
    return "0x" + bytes_hash(file[8 + int.from_bytes(file[:8], "little") :])


def _check(temporary: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str], *, of: Path) -> None:
    """Compare a file with the tensors and metadata that it should hold."""
    import torch

    read, header = read_file(temporary)
    same = read.keys() == tensors.keys() and all(torch.equal(read[name], tensors[name]) for name in tensors)
    if not same or header != metadata:
        raise AdapterError(
            f"{of} does not read back as it was written.",
            expected="the same tensors and metadata",
            hint="check the disk, then save again; the previous file is untouched.",
        )


def read_file(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Name -> tensor, and the metadata, of one safetensors file.

    Raises:
        AdapterError: there is no such file, or it is damaged.
    """
    metadata = dict(read_header(path).metadata)
    return _read_tensors(path), metadata


def _read_tensors(path: Path) -> dict[str, Tensor]:
    """Name -> tensor, of a file whose header was checked."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, RuntimeError, ValueError, TypeError, AttributeError) as error:
        raise unreadable(path, error) from error


def _refuse_base_model(header: Header, path: Path) -> None:
    """Refuse files without a single name of an adapter before their tensors are read."""
    if not any(parse(name) or ANY_ADAPTER.search(name) for name in header.names):
        refuse_unknown(dict.fromkeys(header.names), str(path))
