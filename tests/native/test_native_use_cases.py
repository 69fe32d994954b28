"""The use cases in a running ComfyUI, with few steps."""

from __future__ import annotations

from pathlib import Path

import pytest
from comfyui_server import Server
from use_cases import SHORT, shortened

pytestmark = [pytest.mark.comfyui, pytest.mark.slow]


@pytest.mark.parametrize("name", SHORT)
def test_it_trains_draws_and_saves(server: Server, root: Path, name: str) -> None:
    graph = shortened(root, name)
    ended = server.run(graph)
    of = {kind: [key for key, node in graph.items() if node["class_type"] == kind] for kind in
          ("LW_TrainLoRA", "LW_SaveAdapter", "LW_SaveImages")}  # fmt: skip
    for node in of["LW_TrainLoRA"]:
        assert ended.report(node)["steps"] == 2
    for node in of["LW_SaveAdapter"]:
        assert (server.output / "loras" / Path(ended.report(node)["path"]).name).is_file()
    for node in of["LW_SaveImages"]:
        assert all(len(picture.getcolors(1 << 24) or []) > 10 for picture in ended.pictures(node))
