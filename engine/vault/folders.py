"""The adapters below a folder."""

from __future__ import annotations

from pathlib import Path

from ..adapters.folders import with_folders
from ..core.errors import StorageError


def adapters_below(folder: Path) -> list[tuple[str, Path]]:
    """(name below the folder with forward slashes, path) of each adapter, files and PEFT's folders, by name.

    Raises:
        StorageError: there is no such folder.
    """
    if not folder.is_dir():
        raise StorageError(f"No folder at {folder}.", expected="a folder of adapters", hint="check the path.")
    files = (path.relative_to(folder).as_posix() for path in folder.rglob("*.safetensors"))
    return [(name, folder / name) for name in with_folders(files, lambda name: folder / name)]
