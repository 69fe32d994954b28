"""When two hosts describe nodes alike."""

from __future__ import annotations

import json
from typing import Any

PLACE = "python_module"
"""Says where the extension was found, so it differs by nature."""


def assert_alike(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    """Equal in all that this ComfyUI knows of; what it doesn't know of is unused."""
    ours = json.loads(json.dumps(ours))
    assert list(ours) == list(theirs)
    for name, info in theirs.items():
        known = {key: value for key, value in ours[name].items() if key in info and key != PLACE}
        assert known == {key: value for key, value in info.items() if key != PLACE}
        assert not any(value for key, value in ours[name].items() if key not in info)
