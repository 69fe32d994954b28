"""The folder of a batch: its pictures, its manifest, and what it takes to go on after an interruption."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ..core.errors import DatasetError
from ..core.file_names import usable
from ..core.hashing import value_hash
from ..core.locks import Exclusive
from ..core.storage import write_bytes, write_json
from ..data.images import check_complete
from ..generation.png import encode_png, read_parameters
from ..models.contract import BackboneInfo
from .manifest import Line, read_lines, write_lines
from .plan import Picture, Plan

if TYPE_CHECKING:
    from PIL.Image import Image

MANIFEST, INDEX = "manifest.jsonl", "index.html"
_LONGEST_NAME = 48
"""Characters of a prompt in a file's name."""


class BatchFolder:
    """The files of a batch.

    Pictures have names that follow from their content keys, so that one that is there isn't drawn again by any batch in
    the same folder. ``.batch`` has what is only needed while a batch is drawn.

    Args:
        path: created when something is written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.manifest = path / MANIFEST
        self.index = path / INDEX
        self._own = path / ".batch"

    @property
    def lock(self) -> Exclusive:
        return Exclusive(self._own / "lock")

    def part(self, rank: int) -> Path:
        """The manifest of what one process draws; that of the first is the batch's own."""
        return self._own / f"manifest-{rank}.jsonl" if rank else self.manifest

    def gather(self) -> dict[str, Line]:
        """Key -> line of every picture that is drawn, in order of the manifest; parts of other processes are joined to
        it.

        Raises:
            StorageError: the disk is full, or the folder can't be written.
        """
        lines, parts = read_lines(self.manifest), sorted(self._own.glob("manifest-*.jsonl"))
        for part in parts:
            lines |= read_lines(part)
        if parts:
            write_lines(self.manifest, lines.values())
        for part in parts:
            part.unlink(missing_ok=True)
        return lines

    def holds(self, line: Line) -> bool:
        """Whether the picture of a line is there, and whole. A process that is killed may leave one that no manifest
        has."""
        path = self.path / line["file"]
        try:
            check_complete(path.read_bytes(), path.name)
            return read_parameters(path).get("key") == line["key"]
        except (OSError, ValueError, DatasetError):
            return False

    def save(self, image: Image, line: Line, graph: Mapping[str, str]) -> None:
        """Write a picture with all that is known of it.

        Raises:
            StorageError: the disk is full, or the folder can't be written.
        """
        about = {name: value for name, value in line.items() if name not in ("file", "places")}
        write_bytes(self.path / line["file"], encode_png(image, parameters=about, **graph))

    def token(self) -> str:
        """What tells this folder from another one of the same path on another machine; made by the first call."""
        path = self._own / "token"
        with contextlib.suppress(OSError):
            return path.read_text(encoding="utf-8")
        token = uuid4().hex
        write_bytes(path, token.encode())
        return token

    def finish(self, plan: Plan, info: BackboneInfo) -> None:
        """Give the manifest its final order: this batch's pictures as they are drawn, then those of earlier ones.

        Raises:
            StorageError: the disk is full, or the folder can't be written.
        """
        lines = self.gather()
        own = {picture.key: line_of(picture, info) for picture in plan.pictures if picture.key in lines}
        others = {key: line for key, line in lines.items() if key not in own}
        write_lines(self.manifest, [*own.values(), *others.values()])

    def chunks(self, plan: Plan, missing: Sequence[str], most: int) -> list[list[int]]:
        """What is drawn at once: as decided when this batch was begun, or now, from what is missing.

        Args:
            plan: of the batch.
            missing: keys of pictures.
            most: pictures in a chunk.

        Raises:
            StorageError: the disk is full, or the folder can't be written.
        """
        path, batch = self._own / "chunks.json", value_hash(plan.keys, most)
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            kept = json.loads(path.read_text(encoding="utf-8"))
            if kept["batch"] == batch:
                return _covering(kept["chunks"], plan, missing)
        chunks = plan.chunks(missing, most)
        if missing:
            write_json(path, {"batch": batch, "chunks": chunks})
        return chunks


def _covering(chunks: list[list[int]], plan: Plan, missing: Sequence[str]) -> list[list[int]]:
    """The chunks with pictures that are missing.

    Raises:
        KeyError: they don't have all of these, since pictures were removed that were drawn before.
    """
    wanted = {number for number, key in enumerate(plan.keys) if key in set(missing)}
    chosen = [chunk for chunk in chunks if not wanted.isdisjoint(chunk)]
    if not wanted <= {number for chunk in chosen for number in chunk}:
        raise KeyError
    return chosen


def file_name(picture: Picture) -> str:
    """Where the picture is, below the batch's folder: ``pictures/a-photo-of-a-fox_3_1a2b3c4d5e6f.png``."""
    words = usable(picture.job.prompt[:_LONGEST_NAME].strip().replace(" ", "-"), instead="picture")
    return f"pictures/{words}_{picture.job.seed}_{picture.key[:12]}.png"


def line_of(picture: Picture, info: BackboneInfo) -> dict[str, Any]:
    """What the manifest and the picture's own metadata tell of it."""
    job = picture.job
    return {
        "key": picture.key,
        "file": file_name(picture),
        "prompt": job.prompt,
        "negative_prompt": job.negative_prompt,
        "seed": job.seed,
        "steps": job.steps,
        "guidance": job.guidance,
        "width": picture.width,
        "height": picture.height,
        "base": {"name": info.name, "hash": info.content_hash},
        "adapters": [
            {
                "name": entry.adapter.name, "hash": entry.adapter.content_hash, "weight": entry.weight,
                "text_encoder_weight": entry.text_encoder_weight,
            }
            for entry in job.stack.active()
        ],
        "places": list(picture.places),
    }  # fmt: skip
