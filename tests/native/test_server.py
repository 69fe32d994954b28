"""What a running ComfyUI says of our nodes, what it shows while they work, and what it doesn't do twice."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from comfyui_graphs import demo_checkpoint, demo_training, drawing
from comfyui_server import Graph, Heard, Server, serve
from lora_workbench.cli import main as cli
from node_descriptions import assert_alike
from PIL import Image
from workspace import changed, in_api_format

pytestmark = [pytest.mark.comfyui, pytest.mark.slow]

TEXT = "lora_workbench.text"
FOXES = "an emoji of a zwx animal on a white background\nan emoji of a zwx animal on a teal background"


def short_training(dataset: str = "assets/datasets/fox", **settings: int) -> Graph:
    return demo_training(dataset, **{"steps": 3, "batch_size": 2, "seed": 1, **settings})


def test_nodes_are_what_we_say_they_are(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["nodes", "--json"]) == 0
    ours = json.loads(capsys.readouterr().out)
    theirs = {name: info for name, info in server.get("/object_info").items() if name.startswith("LW_")}
    assert_alike(with_adapters(ours, []), with_adapters(theirs, []))


def with_adapters(infos: dict[str, Any], files: list[str]) -> dict[str, Any]:
    """Descriptions that offer these files, not those that lie in the folders of whoever describes."""
    infos["LW_LoadAdapter"]["input"]["required"]["adapter"][1]["options"] = files
    return infos


def test_it_starts_without_a_word_about_us(root: Path, server: Server) -> None:
    """Beside the time that the extension took to load."""
    started = server.log.read_text().partition("To see the GUI go to")[0]
    spoken = [line for line in started.splitlines() if "lora" in line.lower() and "seconds" not in line]
    assert not spoken
    assert "IMPORT FAILED" not in started
    assert "Traceback" not in started


def test_a_training_shows_progress_words_and_pictures(server: Server) -> None:
    graph = demo_training(steps=4, batch_size=2, seed=2, sample_every=2, sample_prompts=FOXES)
    with server.listening() as client:
        server.queue(graph, client.name)
        heard = list(client.events())
    assert heard[-1].kind == "execution_success"
    steps = [
        told["value"] for kind, told in heard if kind == "progress" and (told["node"], told["max"]) == ("train", 4)
    ]
    assert (steps[0], steps[-1]) == (1, 4)
    assert any("training 4/4" in told["text"] for kind, told in heard if kind == TEXT)
    pictures = [data for kind, data in heard if kind == "picture"]
    assert len(pictures) == 2
    for number, data in enumerate(pictures):
        preview = Image.open(io.BytesIO(data))
        preview.save(server.output / f"preview_{number}.png")
        assert preview.width == 2 * preview.height
        assert len(preview.getcolors(1 << 24) or []) > 100


def test_texts_name_the_node_that_runs_and_go_to_who_queued_it(server: Server) -> None:
    graph = demo_training(steps=2, batch_size=2, seed=4)
    with server.listening() as bystander, server.listening() as client:
        for settings in ({"train__seed": 4}, {"train__seed": 5}):  # the second run has most nodes from the cache
            number = server.queue(changed(graph, **settings), client.name)
            assert_texts_are_of(list(client.events()), number)
        server.queue(demo_checkpoint() | drawing("plain", "demo", steps=1), bystander.name)
        heard = list(bystander.events())
    assert not [told for kind, told in heard if "text" in kind]


def assert_texts_are_of(heard: list[Heard], number: str) -> None:
    running, texts = None, 0
    for kind, told in heard:
        if kind == "executing":
            running = told["node"]
        if kind == TEXT:
            assert (told["node"], told["prompt_id"]) == (running, number)
            texts += 1
    assert texts
    assert not [told for kind, told in heard if kind == "progress text"]


def test_other_prompts_do_not_train_again(server: Server) -> None:
    graph = short_training() | in_api_format({
        "entry": ("LW_StackAdapters", {
            "adapter": ["train", 0], "weight": 1.0, "text_encoder_weight": 1.0, "enabled": True,
        }),
        "stack": ("LW_ApplyStack", {"model": ["demo", 0], "clip": ["demo", 1], "stack": ["entry", 0]}),
        "generate": ("LW_Generate", {
            "base": ["demo", 3], "stack": ["entry", 0], "prompts": "an emoji of a zwx animal", "seed": 1, "steps": 2,
        }),
        "grid": ("LW_SaveImages", {"filename_prefix": "grid", "batch": ["generate", 1]}),
    }) | drawing("prompted", "stack", "an emoji of a zwx animal", steps=2)  # fmt: skip
    first = server.run(graph)
    assert not first.report("train")["cached"]
    other = changed(graph, generate__prompts="an emoji of a zwx apple") | drawing("prompted", "stack", "a", steps=2)
    again = server.run(other)
    assert {"demo", "train", "entry", "stack"} <= again.cached
    assert not {"generate", "prompted latent"} & again.cached
    assert abs(again.pixels("prompted file") - first.pixels("prompted file")).max() > 20


def test_a_picture_more_trains_again(server: Server, root: Path) -> None:
    folder = server.folder / "input" / "fox"
    shutil.copytree(root / "assets" / "datasets" / "fox", folder)
    first = server.run(short_training("fox"))
    unchanged = server.run(short_training("fox"))
    assert "train" in unchanged.cached
    shutil.copy(folder / "fox.png", folder / "one more.png")
    shutil.copy(folder / "fox.txt", folder / "one more.txt")
    more = server.run(short_training("fox"))
    assert "train" not in more.cached
    assert not more.report("train")["cached"]
    assert [ended.report("data")["pictures"] for ended in (first, more)] == [16, 17]


def test_another_comfyui_takes_the_adapter_from_the_run_store(server: Server, root: Path) -> None:
    graph = short_training(seed=3)
    first = server.run(graph).report("train")
    with serve(root, server.folder) as restarted:
        again = restarted.run(graph).report("train")
    assert (first["cached"], again["cached"]) == (False, True)
    assert again | {"cached": False, "seconds": first["seconds"]} == first
