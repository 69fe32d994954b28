"""How long the vault takes to list and to search 5,000 adapters, also as its page asks, and how much memory.

    python benchmarks/vault.py [--files 5000] [--keep FOLDER]

The files have headers as kohya's trainer, LyCORIS, diffusers, ai-toolkit, OneTrainer, ComfyUI and this project write
them for SD1.x, SDXL, FLUX.1 and Z-Image, with the names and shapes of all attention layers. Their values are holes, so
that they take no space. A third has files of other programs beside it. Each count runs in a process of its own, which
has nothing in memory but what the system keeps of the disk.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

SUBJECTS = ["fox", "heron", "lighthouse", "teapot", "violin", "canyon", "lantern", "harbor", "meadow", "orchid"]
STYLES = ["woodcut", "gouache", "linocut", "mosaic", "pastel", "engraving"]
BASES = {"sd1": "v1-5-pruned", "sdxl": "sd_xl_base_1.0", "flux1": "FLUX.1-dev", "z-image": "Z-Image-Turbo"}
WORDS = (
    "fox", "style-woodcut family:sdxl", "heron rank:8-16", "kind:lokr", "trigger:zwx lantern", "mosaic writer:kohya",
)  # fmt: skip
"""What is searched for."""


def unet(depths: tuple[int, ...], context: int) -> Iterator[tuple[str, int, int]]:
    """(path, outputs, inputs) of the attention layers of a UNet with 320 channels on its first level."""
    places = [(f"down_blocks.{n}.attentions.{i}", n) for n in range(len(depths)) for i in range(2)]
    places += [(f"up_blocks.{len(depths) - 1 - n}.attentions.{i}", n) for n in range(len(depths)) for i in range(3)]
    places += [("mid_block.attentions.0", len(depths) - 1)]
    for place, level in places:
        width = 320 * min(2**level, 4)
        for block in range(depths[level]):
            for part, inner in (("attn1", width), ("attn2", context)):
                inputs = {"to_q": width, "to_k": inner, "to_v": inner, "to_out.0": width}
                yield from (
                    (f"{place}.transformer_blocks.{block}.{part}.{layer}", width, size)
                    for layer, size in inputs.items()
                )


def flux() -> Iterator[tuple[str, int, int]]:
    for block in range(19):
        for layer in ("to_q", "to_k", "to_v", "to_out.0", "add_q_proj", "add_k_proj", "add_v_proj", "to_add_out"):
            yield f"transformer_blocks.{block}.attn.{layer}", 3072, 3072
        yield f"transformer_blocks.{block}.ff_context.net.2", 3072, 12288
    for block in range(38):
        yield from ((f"single_transformer_blocks.{block}.attn.to_{part}", 3072, 3072) for part in "qkv")


def z_image() -> Iterator[tuple[str, int, int]]:
    for block in range(30):
        yield from ((f"layers.{block}.attention.{layer}", 3840, 3840) for layer in ("to_q", "to_k", "to_v", "to_out.0"))


LAYERS: dict[str, list[tuple[str, int, int]]] = {
    "sd1": [*unet((1, 1, 1), 768)],
    "sdxl": [*unet((0, 2, 10), 2048)],
    "flux1": [*flux()],
    "z-image": [*z_image()],
}

Shapes = dict[str, tuple[int, ...]]
Named = Callable[[str], str]


def kohya_name(path: str) -> str:
    return "lora_unet_" + path.replace(".", "_")


def lora(family: str, rank: int, name: Named, ends: tuple[str, str], alpha: bool) -> Shapes:
    shapes: Shapes = {}
    for path, out, inputs in LAYERS[family]:
        shapes[name(path) + ends[0]], shapes[name(path) + ends[1]] = (rank, inputs), (out, rank)
        if alpha:
            shapes[f"{name(path)}.alpha"] = ()
    return shapes


def lokr(family: str, rank: int) -> Shapes:
    shapes: Shapes = {}
    for path, out, inputs in LAYERS[family]:
        stem = f"lycoris_{path.replace('.', '_')}"
        shapes |= {f"{stem}.lokr_w1": (8, 8), f"{stem}.lokr_w2_a": (out // 8, rank), f"{stem}.alpha": ()}
        shapes[f"{stem}.lokr_w2_b"] = (rank, inputs // 8)
    return shapes


def written(number: int) -> tuple[Shapes, dict[str, str]]:
    """The tensors and metadata of an adapter, by one writer after the other."""
    subject, style = SUBJECTS[number % len(SUBJECTS)], STYLES[number % len(STYLES)]
    rank, word = (4, 8, 16, 32)[number // 7 % 4], f"zwx{number % 97} {subject}"
    family = ("sd1", "sdxl", "flux1", "z-image")[number // 3 % 4]
    unets = ("sd1", "sdxl")[number // 3 % 2]
    tags = {word: 40, "outdoors": 21, style: 12, **{f"tag {n} of {subject}": n % 9 + 1 for n in range(120)}}
    kohya = {
        "ss_network_dim": str(rank), "ss_network_alpha": str(rank / 2), "ss_network_module": "networks.lora",
        "ss_sd_model_name": f"{BASES[unets]}.safetensors",
        "ss_tag_frequency": json.dumps({f"10_{word}": tags}), "ss_num_train_images": "40", "ss_steps": "1600",
        "ss_dataset_dirs": json.dumps({f"10_{word}": {"n_repeats": 10, "img_count": 40}}), "ss_learning_rate": "1e-4",
        "ss_base_model_version": {"sd1": "sd_v1", "sdxl": "sdxl_base_v1-0"}[unets],
        "sshs_model_hash": f"{number:064x}",
    }  # fmt: skip
    ours = {
        "lw.version": "1", "lw.family": unets, "modelspec.trigger_phrase": word, "lw.suggested_weight": "0.9",
        "modelspec.hash_sha256": f"0x{number:064x}", "ss_sd_model_name": BASES[unets],
    }  # fmt: skip
    peft = (".lora_A.weight", ".lora_B.weight")
    down_up = (".lora_down.weight", ".lora_up.weight")
    unet_scale = {"lora_adapter_metadata": json.dumps({"unet.r": rank, "unet.lora_alpha": rank})}
    one_trainer = {"ot_config": json.dumps({"base_model_name": BASES[unets]}), "ot_branch": "master"}
    toolkit = {"software": json.dumps({"name": "ai-toolkit"}), "ss_tag_frequency": json.dumps({"1": {word: 1}})}
    return (
        lambda: (lora(unets, rank, kohya_name, down_up, True), kohya),
        lambda: (lokr(unets, rank), kohya | {"ss_network_module": "lycoris.kohya"}),
        lambda: (lora(unets, rank, lambda path: f"unet.{path}", peft, False), unet_scale),
        lambda: (lora(family, rank, lambda path: f"transformer.{path}", peft, False), toolkit),
        lambda: (lora(unets, rank, kohya_name, down_up, True), one_trainer),
        lambda: (lora(unets, rank, kohya_name, down_up, True), ours),
        lambda: (lora("z-image", rank, lambda path: f"diffusion_model.{path}", peft, False), {}),
    )[number % 7]()


def write(path: Path, shapes: Shapes, metadata: dict[str, str]) -> None:
    header: dict[str, Any] = {"__metadata__": metadata}
    end = 0
    for name, shape in shapes.items():
        begin, end = end, end + 2 * (shape[0] * shape[1] if shape else 1)
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + end)


def beside(path: Path, number: int) -> None:
    """A file of another program, for every third adapter, and a preview."""
    words = [f"zwx{number % 97}", SUBJECTS[number % len(SUBJECTS)]]
    site = {"trainedWords": words, "baseModel": "SDXL 1.0", "images": [{"meta": {"prompt": f"a {words[1]}"}}] * 20}
    if number % 9 == 0:
        path.with_suffix(".civitai.info").write_text(json.dumps(site))
    elif number % 9 == 3:
        told = {"civitai": site, "usage_tips": json.dumps({"strength": 0.8}), "notes": "at dusk"}
        path.with_suffix(".metadata.json").write_text(json.dumps(told))
    elif number % 9 == 6:
        path.with_suffix(".json").write_text(json.dumps({"activation text": words[0], "preferred weight": 0.7}))
        path.with_suffix(".preview.png").write_bytes(b"\x89PNG")


def make(folder: Path, files: int) -> int:
    """Write the files; returns the bytes of all headers."""
    total = 0
    for number in range(files):
        path = folder / f"{STYLES[number % 6]}/{SUBJECTS[number % 10]}-style-{STYLES[number % 5]}-{number}.safetensors"
        shapes, metadata = written(number)
        write(path, shapes, metadata)
        with path.open("rb") as file:
            total += int.from_bytes(file.read(8), "little")
        beside(path, number)
    return total


def measure(output: str) -> None:
    """List, and search; prints the times and the peak of memory."""
    from lora_workbench.engine.vault.index import opened
    from lora_workbench.engine.vault.searching import Query
    from lora_workbench.nodes.host.headless import HeadlessHost

    began = time.perf_counter()
    host = HeadlessHost(Path(output), silent=True)
    files = [(name, host.adapter_path(name)) for name in host.adapter_files()]
    with opened(host.vault_file()) as index:
        for _ in index.refresh(files):
            pass
        cards = index.cards()
        listed = time.perf_counter() - began
        times, found = [], []
        for words in WORDS * 3:
            began = time.perf_counter()
            found.append(len(index.search(Query.of(words))))
            times.append(time.perf_counter() - began)
    whole = sum(bool(card.family and card.rank and not card.problem) for card in cards)
    peak = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[0]
    print(
        f"{len(cards)} listed in {listed:.2f} s, {whole} with family and rank; searches that find {min(found)} to "
        f"{max(found)} in {1000 * min(times):.1f} to {1000 * max(times):.1f} ms; peak {int(peak) / 1024:.0f} MB; "
        f"torch {'torch' in sys.modules}"
    )


def measure_pages(output: str) -> None:
    """What the sidebar asks while one scrolls and types; prints the times."""
    from lora_workbench.headless.running import running
    from lora_workbench.nodes.host.headless import HeadlessHost
    from lora_workbench.nodes.routes.table import Asked
    from lora_workbench.nodes.routes.vault import values, vault

    host = HeadlessHost(Path(output), silent=True)
    with running(host):
        began = time.perf_counter()
        first = json.loads(vault(Asked({"count": "100"})).content)
        opened = time.perf_counter() - began
        while host.library.reading:
            time.sleep(0.01)
        asked = [Asked({"from": str(start), "count": "100"}) for start in range(0, first["total"], 500)]
        asked += [Asked({"search": words, "count": "100"}) for words in WORDS]
        parts = [_milliseconds(lambda one=one: vault(one)) for one in asked]
        menus = [_milliseconds(lambda words=words: values(Asked({"search": words}))) for words in ("", *WORDS)]
    print(
        f"first part of {first['total']} in {1000 * opened:.0f} ms, others in {min(parts):.0f} to {max(parts):.0f} ms, "
        f"menus in {min(menus):.0f} to {max(menus):.0f} ms"
    )


def _milliseconds(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return 1000 * (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--keep", type=Path, help="output folder to use, and to keep")
    parser.add_argument("--measure", metavar="OUTPUT", help=argparse.SUPPRESS)
    parser.add_argument("--measure-pages", metavar="OUTPUT", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        measure(arguments.measure)
        return
    if arguments.measure_pages:
        measure_pages(arguments.measure_pages)
        return
    with tempfile.TemporaryDirectory() as temporary:
        output = arguments.keep or Path(temporary)
        if not (output / "loras").is_dir():
            headers = make(output / "loras", arguments.files)
            print(f"{arguments.files} files with {headers / 1e6:.0f} MB of headers")
        for what in ("cold", "warm", "warm", "pages"):
            option = "--measure-pages" if what == "pages" else "--measure"
            command = [sys.executable, __file__, option, str(output)]
            print(what, subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip(), flush=True)


if __name__ == "__main__":
    main()
