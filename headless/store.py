"""Results of nodes on the disk: a node whose signature hasn't changed need not run again."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..engine.core.storage import save_with, write_json

PLAIN_TYPES = {"STRING", "INT", "FLOAT", "BOOLEAN", "COMBO"}
TENSOR_TYPES = {"IMAGE", "MASK"}
LARGEST_TENSORS = 256 * 2**20
"""Bytes of one node's tensors. More are computed again rather than kept."""
LARGEST_STORE = 2 * 2**30
"""Bytes of all results. Those unused for longest go first."""


@dataclass(frozen=True)
class FileStamp:
    """A file that a node wrote, as it was then."""

    path: str
    size: int
    modified: int
    """Nanoseconds since the epoch."""

    @staticmethod
    def of(path: Path) -> FileStamp:
        status = path.stat()
        return FileStamp(str(path), status.st_size, status.st_mtime_ns)

    def holds(self) -> bool:
        """Whether the file is there and unchanged."""
        try:
            return FileStamp.of(Path(self.path)) == self
        except OSError:
            return False


@dataclass(frozen=True)
class StoredResult:
    """The result of one node."""

    ui: dict[str, Any]
    files: tuple[FileStamp, ...]
    plain: Mapping[int, Any]
    """Output slot -> value, for texts, numbers and switches."""
    tensors: Mapping[int, Path] = field(default_factory=dict)
    """Output slot -> file with its tensor."""

    def holds(self, slot: int) -> bool:
        """Whether an output's value was kept."""
        return slot in self.plain or slot in self.tensors

    def value(self, slot: int) -> Any:
        """An output's value; tensors are read from the disk."""
        if slot in self.plain:
            return self.plain[slot]
        from safetensors.torch import load_file

        return load_file(self.tensors[slot])[str(slot)]


class ResultStore:
    """Results by signature, in one folder.

    Args:
        folder: created when the first result is saved.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, signature: str) -> StoredResult | None:
        """The result, or ``None`` if there is none, or one of its files has changed or is gone."""
        path = self._folder / f"{signature}.json"
        try:
            entry = json.loads(path.read_text(encoding="utf-8"))
            ui = dict(entry["ui"])
            files = tuple(FileStamp(**stamp) for stamp in entry["files"])
            slots = [int(slot) for slot in entry["tensors"]]
            plain = {int(slot): value for slot, value in entry["plain"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None  # none, or another version's: the node just runs again
        tensors = path.with_suffix(".safetensors")
        if not all(stamp.holds() for stamp in files) or (slots and not tensors.is_file()):
            return None
        return StoredResult(ui, files, plain, dict.fromkeys(slots, tensors))

    def save(
        self,
        signature: str,
        *,
        ui: Mapping[str, Any],
        files: Sequence[Path],
        values: Mapping[int, Any],
        types: Sequence[str],
    ) -> None:
        """Keep a node's result, with those output values that can be written as JSON or tensors.

        Args:
            signature: of the node.
            ui: what it shows; JSON values.
            files: files that it wrote; the result is valid only while they stay unchanged.
            values: output slot -> value; those of several values aren't kept.
            types: socket type of each output.

        Raises:
            StorageError: the disk is full, or the folder can't be written.
        """
        slots = [(slot, value, types[slot]) for slot, value in values.items()]
        tensors = {str(slot): value for slot, value, kind in slots if kind in TENSOR_TYPES}
        if sum(tensor.numel() * tensor.element_size() for tensor in tensors.values()) > LARGEST_TENSORS:
            tensors = {}
        if tensors:
            from safetensors.torch import save_file

            whole = {slot: tensor.detach().cpu().contiguous() for slot, tensor in tensors.items()}
            save_with(self._folder / f"{signature}.safetensors", lambda name: save_file(whole, name))
        entry = {
            "ui": ui,
            "files": [asdict(FileStamp.of(path)) for path in files],
            "plain": {slot: value for slot, value, kind in slots if kind in PLAIN_TYPES and _is_plain(value)},
            "tensors": list(tensors),
        }
        write_json(self._folder / f"{signature}.json", entry)

    def mark_used(self, signature: str) -> None:
        """Note that a result was used just now."""
        for path in self._files_of(signature):
            with suppress(OSError):  # another process may have pruned it, or it belongs to another user
                os.utime(path)

    def prune(self) -> None:
        """Remove the results unused for longest until the others are no larger than :data:`LARGEST_STORE`."""
        total = 0
        with suppress(FileNotFoundError):  # another process may be pruning too
            for entry in sorted(self._folder.glob("*.json"), key=lambda path: path.stat().st_mtime_ns, reverse=True):
                files = list(self._files_of(entry.stem))
                total += sum(path.stat().st_size for path in files)
                if total > LARGEST_STORE:
                    for path in files:
                        path.unlink()

    def _files_of(self, signature: str) -> Iterator[Path]:
        for suffix in (".json", ".safetensors"):
            path = self._folder / f"{signature}{suffix}"
            if path.is_file():
                yield path


def _is_plain(value: Any) -> bool:
    return isinstance(value, (str, int, bool)) or (isinstance(value, float) and math.isfinite(value))
