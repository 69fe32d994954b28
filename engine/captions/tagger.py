"""WD14 taggers in ONNX format: image board tags, such as ``1girl, outdoors, snow``."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.devices import pick_device
from ..core.errors import CaptionerError
from ..core.words import missing
from .contract import Captioner, CaptionOptions

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

WEIGHTS, TAGS = "model.onnx", "selected_tags.csv"
GENERAL, CHARACTER = 0, 4
"""Categories of tags to use in a caption; the others are ratings of the picture."""
EMOTICONS = frozenset({"0_0", "(o)_(o)", "+_+", "+_-", "._.", "<o>_<o>", "<|>_<|>", "=_=", ">_<", "3_3", "6_9", ">_o",
                   "@_@", "^_^", "o_o", "u_u", "x_x", "|_|", "||_||"})  # fmt: skip
"""Emoticon tags, in which underscores don't stand for spaces."""


@dataclass(frozen=True)
class Tag:
    """One output of a tagger."""

    name: str
    """As in captions, with spaces."""
    category: int


class Tagger(Captioner):
    """Its captions list names of characters first, then other tags, the most probable first."""

    kind = "wd14"
    options = frozenset({"threshold", "character_threshold"})

    @classmethod
    def recognizes(cls, folder: Path) -> bool:
        return (folder / WEIGHTS).is_file() and (folder / TAGS).is_file()

    @cached_property
    def _tags(self) -> list[Tag]:
        return read_tags(self.folder / TAGS)

    @cached_property
    def _session(self) -> Any:
        """The network, run by onnxruntime.

        Raises:
            CaptionerError: onnxruntime is missing, or the file can't be used.
        """
        try:
            import onnxruntime
        except ImportError as error:
            raise CaptionerError(
                f"Taggers can't run: {missing('onnxruntime', 'tags')}.",
                expected="onnxruntime, or onnxruntime-gpu",
                hint="install it into the Python that runs this, or use another kind of captioner.",
            ) from error
        settings = onnxruntime.SessionOptions()
        settings.log_severity_level = 3
        wanted = ["CPUExecutionProvider"]
        if pick_device(self._device).type == "cuda":
            wanted.insert(0, "CUDAExecutionProvider")
        providers = [name for name in wanted if name in onnxruntime.get_available_providers()]
        try:
            session = onnxruntime.InferenceSession(str(self.folder / WEIGHTS), settings, providers=providers)
        except Exception as error:  # onnxruntime's errors have no common base class
            raise self._unusable(str(error).splitlines()[0]) from error
        shapes = [entry.shape for entry in (session.get_inputs()[0], session.get_outputs()[0])]
        if len(shapes[0]) != 4 or shapes[0][3] != 3 or not isinstance(shapes[0][1], int):
            raise self._unusable(f"its input has the shape {shapes[0]}")
        if shapes[1][-1] != len(self._tags):
            raise self._unusable(f"it returns {shapes[1][-1]} values for {len(self._tags)} tags")
        return session

    def caption(self, image: Image.Image, options: CaptionOptions) -> str:
        entry = self._session.get_inputs()[0]
        pixels = squared(image, entry.shape[1])
        (values,) = self._session.run([self._session.get_outputs()[0].name], {entry.name: pixels})
        limits = {GENERAL: options.threshold, CHARACTER: options.character_threshold}
        found = [
            (tag.category != CHARACTER, -float(value), tag.name)
            for tag, value in zip(self._tags, values[0], strict=True)
            if tag.category in limits and value >= limits[tag.category]
        ]
        return ", ".join(name for _, _, name in sorted(found))

    def _unusable(self, reason: str) -> CaptionerError:
        return CaptionerError(
            f"{self.folder.name}/{WEIGHTS} can't be used: {reason}.",
            expected=f"a WD14 tagger: input (1, side, side, 3), output one probability for each line of {TAGS}",
            hint=f"download {WEIGHTS} and {TAGS} again, both from the same model.",
        )


def squared(image: Image.Image, side: int) -> np.ndarray:
    """A picture as (1, side, side, 3), float32, BGR, 0 to 255, padded with white to a square."""
    import numpy as np
    from PIL import Image

    longer = max(image.size)
    canvas = Image.new("RGB", (longer, longer), "white")
    canvas.paste(image, ((longer - image.width) // 2, (longer - image.height) // 2))
    scaled = canvas.resize((side, side), Image.Resampling.BICUBIC)
    return np.ascontiguousarray(np.asarray(scaled, np.float32)[None, :, :, ::-1])


def read_tags(path: Path) -> list[Tag]:
    """The tags of a ``selected_tags.csv``, with the columns ``name`` and ``category``, in order.

    Raises:
        CaptionerError: it isn't such a table.
    """
    try:
        with open(path, encoding="utf-8", newline="") as file:
            rows = [(row["name"], int(row["category"])) for row in csv.DictReader(file)]
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise CaptionerError(
            f"{path.parent.name}/{path.name} can't be read: {error}.",
            expected="a table with the columns tag_id, name, category and count",
            hint="download it again together with the model's weights.",
        ) from error
    return [Tag(name if name in EMOTICONS else name.replace("_", " "), category) for name, category in rows]
