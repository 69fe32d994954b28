"""A folder of training pictures, sent into the input folder of a running ComfyUI."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from ...engine.core.events import Event, Progress
from ...engine.core.file_names import usable
from ...engine.core.hashing import file_hash, value_hash
from .server import File, Server

if TYPE_CHECKING:
    from ...engine.data.dataset import Dataset

FOLDER = "lora_workbench/agents"
"""Below ComfyUI's input folder."""
_HASH = 12


class Sent(NamedTuple):
    """Pictures that ComfyUI has."""

    path: str
    """Below its input folder, for *Load Data Set*."""
    dataset: Dataset
    """The same as it is read here."""


def send(folder: Path, server: Server) -> Generator[Event, None, Sent]:
    """Send a folder or archive, with what belongs to its pictures, and nothing else of it. Its place there has the hash
    of the content in its name, so that nothing is sent twice, and no file of an earlier state is left in it.

    Args:
        folder: of pictures, or a zip archive of one.
        server: where to.

    Raises:
        DatasetError: it is no data set.
        ServerError: it can't be sent.
    """
    from ...engine.data.loading import load_dataset

    dataset = load_dataset(folder)
    files = {folder.name: folder} if folder.is_file() else _files(folder)
    digest = value_hash({name: file_hash(path) for name, path in files.items()})[:_HASH]
    place = PurePosixPath(FOLDER, digest)
    root = place if folder.is_file() else place / usable(folder.name)
    for number, (name, path) in enumerate(files.items(), 1):
        target = root / name
        file = File(target.name, target.parent.as_posix(), "input")
        if server.size(file) != path.stat().st_size:
            server.upload(path, file)
        yield Progress(done=number, total=len(files), label="sending pictures")
    return Sent((place / folder.name if folder.is_file() else root).as_posix(), dataset)


def _files(folder: Path) -> dict[str, Path]:
    """What of a folder *Load Data Set* reads: pictures, masks, captions and tables of captions, by their names below
    it."""
    from ...engine.data.listing import list_files
    from ...engine.data.trees import FolderTree

    tree = FolderTree(folder)
    listed = list_files(tree.names(), tree.head)
    names = dict.fromkeys([*listed.pictures, *listed.masks.values(), *listed.captions, *listed.tables])
    return {name: folder / name for name in sorted(names)}
