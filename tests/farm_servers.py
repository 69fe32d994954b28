"""Stand-ins of the servers that docs/farms/send.py sends to. They take what these take and refuse what these refuse."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

NODES = {
    "CheckpointLoaderSimple", "LoraLoader", "CLIPTextEncode", "ConditioningZeroOut", "EmptyLatentImage", "KSampler",
    "VAEDecode", "DistributedCollector", "SaveImage",
}  # fmt: skip


class RefusedError(Exception):
    """With what the server answers."""


class Farm(ThreadingHTTPServer):
    """One server with the interfaces of all three; ``drawn`` has the prompts that it would draw, by who draws."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.drawn: list[tuple[str, dict[str, Any]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def answer(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        routes = {
            "/prompt": self._comfyui, "/distributed/queue": self._distributed, "/API/GetNewSession": self._session,
            "/API/GenerateText2Image": self._swarm,
        }  # fmt: skip
        return routes[path](body)

    def _comfyui(self, body: dict[str, Any]) -> dict[str, Any]:
        """As server.py and execution.py's validate_prompt of ComfyUI."""
        prompt = body["prompt"]
        for name, node in prompt.items():
            if node.get("class_type") not in NODES:
                raise RefusedError(f"Cannot execute because node {node.get('class_type')} does not exist.")
            for value in node["inputs"].values():
                if isinstance(value, list) and (len(value) != 2 or value[0] not in prompt):
                    raise RefusedError(f"bad_linked_input of node {name}")
        if not any(node["class_type"] == "SaveImage" for node in prompt.values()):
            raise RefusedError("Prompt has no outputs")
        self.drawn.append(("comfyui", prompt))
        return {"prompt_id": f"{len(self.drawn)}", "number": len(self.drawn), "node_errors": {}}

    def _distributed(self, body: dict[str, Any]) -> dict[str, Any]:
        """As api/queue_request.py and api/queue_orchestration.py of ComfyUI-Distributed."""
        if not isinstance(body.get("prompt"), dict):
            raise RefusedError("Field 'prompt' must be an object")
        if not isinstance(body.get("enabled_worker_ids"), list):
            raise RefusedError("enabled_worker_ids required")
        if not isinstance(body.get("client_id"), str) or not body["client_id"].strip():
            raise RefusedError("client_id required")
        nodes = body["prompt"].values()
        collectors = [node["inputs"] for node in nodes if node["class_type"] == "DistributedCollector"]
        told = self._comfyui({"prompt": body["prompt"]})
        _, prompt = self.drawn.pop()
        workers = ["master", *body["enabled_worker_ids"]]
        if any(inputs.get("load_balance") for inputs in collectors):
            workers = [workers[len(self.drawn) % len(workers)]]
        self.drawn += [(worker, prompt) for worker in (workers if collectors else ["master"])]
        return told | {"worker_count": len(workers)}

    def _session(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"session_id": "5E5510", "user_id": "local"}

    def _swarm(self, body: dict[str, Any]) -> dict[str, Any]:
        """As ComfyUIAPIAbstractBackend.cs of SwarmUI, which fills in ``${...}`` before it reads the JSON."""
        if body.get("session_id") != "5E5510":
            return {"error_id": "invalid_session_id", "error": "Invalid session ID."}
        if not isinstance(body.get("images"), int):
            return {"error": "images is required"}
        text = body["comfyworkflowraw"]
        if "${" in text:
            return {"error": f"Unknown param type request {text[text.index('${') :][:20]}"}
        self._comfyui({"prompt": json.loads(text)})
        return {"images": [f"View/local/raw/{len(self.drawn)}.png"]}


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Farm)
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        try:
            status, told = 200, self.server.answer(self.path, body)
        except RefusedError as error:
            status, told = 400, {"error": str(error)}
        data = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def farm_server() -> Iterator[Farm]:
    """A server for the block."""
    with Farm() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()
