"""An adapter as sites for adapters want it: the file, its preview, a card for programs and one for people."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ..adapters.headers import read_header
from ..adapters.private import private
from ..core.errors import AdapterError, StorageError
from ..core.file_names import usable
from ..core.storage import replacing, write_bytes
from .card import Card
from .hashes import hashes_of
from .sidecars import Beside, stem_of

_CALLED = {
    "sd1": "SD 1.5", "sd2": "SD 2.1", "sd3": "SD 3.5", "sdxl": "SDXL 1.0", "flux1": "Flux.1 D", "flux2": "Flux.2 D",
    "z-image": "ZImageTurbo", "qwen-image": "Qwen", "chroma": "Chroma", "hidream": "HiDream", "lumina2": "Lumina",
    "ltx-video": "LTXV", "wan": "Wan Video",
}  # fmt: skip
"""Family -> how Civitai calls it, where no source says it."""
_TYPES = {"lora": "LORA", "dora": "DoRA", "loha": "LoCon", "lokr": "LoCon", "oft": "LoCon", "full": "LoCon"}
"""Kind -> Civitai's type of models."""
_PIECE = 2**20


class Exported(NamedTuple):
    """What was written."""

    files: tuple[Path, ...]
    hashes: dict[str, str]
    missing: tuple[str, ...]
    """What somebody who publishes it should add, one sentence each."""


def export(path: Path, card: Card, beside: Beside, folder: Path, *, without_data: bool = False) -> Exported:
    """Write an adapter with all that goes with it into a folder. Files that are there already are replaced by the same.

    Args:
        path: of its file.
        card: of it.
        beside: the files beside it, with its preview.
        folder: made if there is none.
        without_data: leave what tells about the data set out of the file's header; see
            :func:`~..adapters.private.private`. Its tensors stay as they are.

    Raises:
        AdapterError: it can't be read, or is a folder.
        StorageError: the folder is the adapter's own, has another adapter of the name, or can't be written.
    """
    if path.is_dir() or card.problem:
        raise AdapterError(
            f"{path} can't be exported: {card.problem or 'it is a folder of files'}",
            expected="one .safetensors file that is an adapter",
            hint="load a folder with Load Adapter, and save it with Save Adapter.",
        )
    name = usable(stem_of(path))
    target = folder / f"{name}.safetensors"
    _refuse_other(path, target)
    _copy(path, target, without_data)
    hashes = hashes_of(target)
    files = [target]
    if beside.preview is not None:
        files.append(folder / f"{name}.preview{beside.preview.suffix}")
        write_bytes(files[-1], beside.preview.read_bytes())
    told = {
        f"{name}.civitai.info": json.dumps(_for_programs(card, name, hashes, files), ensure_ascii=False, indent=1),
        f"{name}.md": "\n".join(_for_people(card, name, hashes)),
    }
    for file, text in told.items():
        write_bytes(folder / file, f"{text}\n".encode())
        files.append(folder / file)
    return Exported(tuple(files), hashes, tuple(_missing(card, beside)))


def _refuse_other(path: Path, target: Path) -> None:
    if target.exists() and target.samefile(path):
        raise StorageError(
            f"{path} lies in the folder that it should be exported to.",
            expected="another folder",
            hint="give one with --output.",
        )
    if target.exists() and hashes_of(target)["AutoV3"] != hashes_of(path)["AutoV3"]:
        raise StorageError(
            f"{target} is another adapter.", expected="a folder without one of this name", hint="choose another folder."
        )


def _copy(path: Path, target: Path, without_data: bool) -> None:
    with replacing(target) as temporary, path.open("rb") as source, temporary.open("wb") as copy:
        if without_data:
            header = _private_header(path)
            copy.write(len(header).to_bytes(8, "little") + header)
            source.seek(read_header(path).body)
        shutil.copyfileobj(source, copy, _PIECE)


def _private_header(path: Path) -> bytes:
    """The header without what tells about the data set, padded to whole eights as safetensors writes it."""
    header = read_header(path)
    entries: dict[str, Any] = {"__metadata__": private(header.metadata)} if private(header.metadata) else {}
    for name, shape in header.shapes.items():
        entries[name] = {"dtype": header.dtypes[name], "shape": shape, "data_offsets": header.spans[name]}
    text = json.dumps(entries, separators=(",", ":")).encode()
    return text + b" " * (-len(text) % 8)


def _for_programs(card: Card, name: str, hashes: dict[str, str], files: list[Path]) -> dict[str, Any]:
    """As Civitai's interface answers, which other programs read; what it has no field for is in ``lora_workbench``."""
    return {
        "name": name,
        "baseModel": _base(card),
        "trainedWords": [*card.triggers],
        "model": {"name": name, "type": _TYPES.get(next(iter(card.kinds), ""), "LORA")},
        "files": [
            {
                "name": files[0].name, "sizeKB": os.stat(files[0]).st_size / 1024, "type": "Model", "primary": True,
                "metadata": {"format": "SafeTensor"}, "hashes": hashes,
            }
        ],
        "images": [
            *({"url": file.name, "type": "image"} for file in files[1:]),
            *({"meta": {"prompt": prompt}} for prompt in card.prompts),
        ],
        "lora_workbench": {
            "family": card.family, "kinds": [*card.kinds], "rank": card.rank, "weight": card.weight,
            "verdict": card.verdict, "trained": _training(card),
        },
    }  # fmt: skip


def _for_people(card: Card, name: str, hashes: dict[str, str]) -> Iterator[str]:
    yield f"# {name}\n"
    facts = {
        "Base model": " / ".join(dict.fromkeys(filter(None, (_base(card), card.base)))),
        "Kind": card.described(),
        "Recommended weight": "" if card.weight is None else f"{card.weight:g}",
        "Verdict": card.verdict,
        **{fact.capitalize(): told for fact, told in _training(card).items()},
    }
    yield from (f"- {fact}: {told}" for fact, told in facts.items() if told)
    for heading, texts in (("Trigger words", card.triggers), ("Sample prompts", card.prompts)):
        if texts:
            yield f"\n## {heading}"
            yield from (f"- `{text}`" for text in texts)
    yield "\n## Hashes"
    yield from (f"- {name}: `{value}`" for name, value in hashes.items())


def _training(card: Card) -> dict[str, str]:
    """What may be told of it to anybody; like notes, comments are the user's own."""
    return {fact: told for fact, told in card.trained.items() if fact != "comment"}


def _base(card: Card) -> str:
    return _CALLED.get(card.family, card.base)


def _missing(card: Card, beside: Beside) -> Iterator[str]:
    if not card.triggers:
        yield "No trigger words are known; note them with: adapters note FILE --trigger WORDS"
    if not card.prompts:
        yield "No sample prompts are known; note them with: adapters note FILE --prompt TEXT"
    if beside.preview is None:
        yield "There is no preview; put a picture of the same name beside the file."
