"""Adapters that are folders, as peft and diffusers save them, and the configurations beside files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from ..core.errors import AdapterError
from ..core.stamps import file_stamp
from .headers import missing

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
_DIFFUSERS = "pytorch_lora_weights.safetensors"
_COMPONENTS = ("unet", "transformer", "text_encoder", "text_encoder_2")
"""Sub-folders of an adapter that was saved part by part; also how the names of their tensors begin here."""
_CLASSES = {
    "UNet2DConditionModel": "unet",
    "CLIPTextModel": "text_encoder",
    "CLIPTextModelWithProjection": "text_encoder_2",
}
_PICKLES = ("adapter_model.bin", "pytorch_lora_weights.bin")
_MOST_CONFIG = 2**20
"""Bytes."""


class Source(NamedTuple):
    """A file of an adapter, with what stands beside it."""

    path: Path
    component: str
    """How the names of its tensors begin, if they don't say it; may be empty."""
    config: Mapping[str, Any] | None
    """Peft's configuration, which has the scale."""


def sources_of(path: Path) -> list[Source]:
    """The files of an adapter: of a folder, or one file with the configuration beside it.

    Raises:
        AdapterError: the folder holds no adapter, or a configuration is damaged.
    """
    if not path.is_dir():
        return [_source(path, "")]
    if found := [_source(file, name) for name, file in _files_of(path)]:
        return found
    pickle = next((name for name in _PICKLES if (path / name).is_file()), None)
    raise AdapterError(
        f"The folder {path} holds {f'only {pickle}, a pickle, which may run any code' if pickle else 'no adapter'}.",
        expected=f"{WEIGHTS} and {CONFIG}, or folders {', '.join(_COMPONENTS)} with these, as peft saves them",
        hint="save the adapter with safetensors." if pickle else "choose a .safetensors file.",
    )


def is_folder_adapter(path: Path) -> bool:
    """Whether a folder is one adapter: peft's, alone or one for each part of a pipeline."""
    return any((file.parent / CONFIG).is_file() for _, file in _files_of(path))


def folder_of(file: Path) -> Path | None:
    """The folder that is the adapter which this file belongs to; ``None`` if the file is one by itself."""
    if file.name != WEIGHTS or not (file.parent / CONFIG).is_file():
        return None
    return file.parent.parent if file.parent.name in _COMPONENTS else file.parent


def with_folders(names: Iterable[str], path_of: Callable[[str], Path]) -> list[str]:
    """The names to choose adapters from: those of files, and a folder's own instead of the files in it.

    Args:
        names: of files, with forward slashes.
        path_of: gives the path of a name.
    """
    found = set()
    for name in names:
        file = PurePosixPath(name)
        folder = folder_of(path_of(name)) if file.name == WEIGHTS else None
        levels = len(path_of(name).relative_to(folder).parts) if folder else 0
        found.add("/".join(file.parts[:-levels]) if 0 < levels < len(file.parts) else name)
    return sorted(found)


def state(path: Path) -> list[list[int | str]]:
    """Changes whenever a file of the adapter, or a configuration beside it, does.

    Raises:
        AdapterError: there is no such file or folder.
    """
    if not path.exists():
        raise missing(path)
    files = [file for _, file in _files_of(path)] if path.is_dir() else [path]
    return [[str(file), *file_stamp(file), *file_stamp(file.parent / CONFIG)] for file in files]


def _files_of(folder: Path) -> Iterator[tuple[str, Path]]:
    """(component, file)."""
    if (file := folder / WEIGHTS).is_file() or (file := folder / _DIFFUSERS).is_file():
        yield (folder.name if folder.name in _COMPONENTS else ""), file
        return
    for name in _COMPONENTS:
        if (file := folder / name / WEIGHTS).is_file():
            yield name, file


def _source(file: Path, component: str) -> Source:
    beside = file.parent / CONFIG
    if file.name != WEIGHTS or not beside.is_file():
        return Source(file, component, None)
    config = read_config(beside)
    mapping = config.get("auto_mapping")
    wrapped = mapping.get("base_model_class") if isinstance(mapping, dict) else None
    own = file.parent.name if file.parent.name in _COMPONENTS else ""
    return Source(file, component or own or _CLASSES.get(str(wrapped), ""), config)


def read_config(path: Path) -> dict[str, Any]:
    """Peft's configuration of an adapter.

    Raises:
        AdapterError: it isn't a JSON object, or larger than a configuration can be.
    """
    try:
        if path.stat().st_size > _MOST_CONFIG:
            raise ValueError(f"it is larger than {_MOST_CONFIG} bytes")
        config = json.loads(path.read_text("utf-8-sig"))
        if not isinstance(config, dict):
            raise ValueError("it isn't a JSON object")
    except (OSError, ValueError, RecursionError) as error:
        raise AdapterError(
            f"{path} can't be read: {error}.",
            expected="peft's configuration, which says how strong the adapter is",
            hint="save or download the adapter again, with both of its files.",
        ) from error
    return config
