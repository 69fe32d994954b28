"""Send the prompts of `lora-workbench generate --as-prompts` to ComfyUI, ComfyUI-Distributed or SwarmUI.

    python send.py output/batches/campaign/prompts http://127.0.0.1:8188
    python send.py output/batches/campaign/prompts http://127.0.0.1:8188 --workers 1 2      ComfyUI-Distributed
    python send.py output/batches/campaign/prompts http://127.0.0.1:7801 --swarm 4          SwarmUI with four back ends

It needs nothing but Python.
"""

from __future__ import annotations

import argparse
import json
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

COLLECTOR = "DistributedCollector"


def for_comfyui(prompt: dict[str, Any], client: str) -> tuple[str, dict[str, Any]]:
    """(path on the server, body), as for the other servers below."""
    return "/prompt", {"prompt": prompt, "client_id": client}


def for_distributed(prompt: dict[str, Any], client: str, workers: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """Without a collector the master draws alone; without load balance every worker draws every prompt."""
    collectors = [node["inputs"] for node in prompt.values() if node["class_type"] == COLLECTOR]
    if not collectors or not all(inputs.get("load_balance") is True for inputs in collectors):
        raise SystemExit(
            "The prompts have no Distributed Collector with load_balance. Put one between VAE Decode and Save Image, "
            "switch load_balance on, export the workflow again (API), and write the prompts anew."
        )
    return "/distributed/queue", {"prompt": prompt, "client_id": client, "enabled_worker_ids": [*workers]}


def for_swarm(prompt: dict[str, Any], session: str) -> tuple[str, dict[str, Any]]:
    """SwarmUI fills in ${...} wherever a workflow's text has it, so that a prompt's own is written another way."""
    text = json.dumps(prompt).replace("${", "\\u0024{")
    return "/API/GenerateText2Image", {"session_id": session, "images": 1, "comfyworkflowraw": text}


def send(server: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(
        server.rstrip("/") + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request) as answer:
            told = json.load(answer)
    except urllib.error.HTTPError as error:
        raise SystemExit(f"{server} refuses it ({error.code}): {error.read(2000).decode(errors='replace')}") from None
    except urllib.error.URLError as error:
        raise SystemExit(f"{server} can't be reached: {error.reason}") from None
    if told.get("error") or told.get("node_errors"):
        raise SystemExit(f"{server} refuses it: {told.get('error') or told['node_errors']}")
    return told


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prompts", type=Path, help="folder with a JSON file for each picture")
    parser.add_argument("server", help="http://HOST:PORT")
    parser.add_argument("--workers", nargs="+", metavar="ID", help="of ComfyUI-Distributed")
    parser.add_argument("--swarm", type=int, default=0, metavar="N", help="SwarmUI, which gets N prompts at a time")
    given = parser.parse_args(arguments)
    files = sorted(given.prompts.glob("*.json"))
    if not files:
        sys.exit(f"No prompts in {given.prompts}.")
    if given.swarm:
        make = partial(for_swarm, session=send(given.server, "/API/GetNewSession", {})["session_id"])
    elif given.workers:
        make = partial(for_distributed, client=f"lora-workbench-{uuid4().hex}", workers=given.workers)
    else:
        make = partial(for_comfyui, client=f"lora-workbench-{uuid4().hex}")
    bodies = [make(json.loads(file.read_text(encoding="utf-8"))) for file in files]
    with ThreadPoolExecutor(max(given.swarm, 1)) as pool:  # the others answer at once and queue by themselves
        for file, told in zip(files, pool.map(lambda one: send(given.server, *one), bodies), strict=True):
            print(file.name, told.get("prompt_id") or " ".join(told.get("images", [])))


if __name__ == "__main__":
    main()
