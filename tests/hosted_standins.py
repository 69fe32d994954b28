"""Stand-ins of hosted trainers: real HTTP servers that speak their protocols, keep jobs, and fail as they are told."""

from __future__ import annotations

import io
import json
import re
import tarfile
import threading
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    import pytest
    from typing_extensions import Self

TOKEN = "tok-marked-5e3c1f-secret"
WEIGHTS = "/download/weights"


@dataclass
class Fault:
    """What goes wrong with the next requests of a kind."""

    where: str
    """``METHOD path``, a regular expression."""
    status: int = 0
    """Answer with this status in place of serving."""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    serve: bool = False
    """Serve the request before things go wrong, so that only the answer is lost."""
    drop: bool = False
    """Close the connection without an answer."""
    cut: float = 0.0
    """Send this share of the answer's body, then close the connection."""
    times: int = 1


@dataclass
class Request:
    method: str
    path: str
    query: dict[str, str]
    headers: Message
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Job:
    """A training at a stand-in."""

    id: str
    order: Any
    created: float = field(default_factory=time.time)
    polls: int = 0
    canceled: bool = False
    failed: str = ""


Answer = tuple[int, Any]
"""Status, and bytes or a JSON value."""


class StandIn:
    """A provider.

    Args:
        adapter: the file that every training gives.
        polls: questions after which a job is done.
        price: per step, where the provider tells one.
    """

    title = ""
    scheme = "Bearer"

    def __init__(self, adapter: bytes, *, polls: int = 2, price: float = 0.002) -> None:
        self.adapter, self.polls, self.price = adapter, polls, price
        self.token = TOKEN
        self.faults: list[Fault] = []
        self.requests: list[Request] = []
        self.jobs: dict[str, Job] = {}
        self.files: dict[str, bytes] = {}
        self.lists = True
        """Whether jobs show up in its list."""
        self.resumes = True
        """Whether downloads can go on where they stopped."""
        self.lost: set[str] = set()
        """Numbers of jobs whose results it has no more."""
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Own", (Handler,), {"standin": self}))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @contextmanager
    def running(self) -> Iterator[Self]:
        thread = threading.Thread(target=lambda: self._server.serve_forever(poll_interval=0.02), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()

    @contextmanager
    def in_reach(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[Self]:
        """Running where the environment says that the provider is, with its token and without proxies."""
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.delenv(name, raising=False)
        provider = self.title.lower()
        monkeypatch.setenv(VARIABLES[provider], self.token)
        monkeypatch.setenv(ADDRESSES[provider], self.url)
        with self.running():
            yield self

    def fail(self, where: str, **fault: Any) -> None:
        self.faults.append(Fault(where, **fault))

    def asked(self, where: str) -> list[Request]:
        """The requests of a kind so far."""
        return [r for r in self.requests if re.search(where, f"{r.method} {r.path}")]

    def handle(self, request: Request) -> tuple[Answer, Fault | None]:
        with self._lock:
            self.requests.append(request)
            fault = self._fault(request)
            if fault and not fault.serve and not fault.cut:
                return (fault.status or 200, fault.body if fault.body is not None else {"detail": "a fault"}), fault
            answer = self._served(request)
            return ((fault.status, fault.body) if fault and fault.status else answer), fault

    def _fault(self, request: Request) -> Fault | None:
        for fault in self.faults:
            if fault.times > 0 and re.search(fault.where, f"{request.method} {request.path}"):
                fault.times -= 1
                return fault
        return None

    def _served(self, request: Request) -> Answer:
        if request.path.startswith("/download/"):
            return 200, self.download()
        if not self.is_public(request) and request.headers.get("Authorization") != f"{self.scheme} {self.token}":
            # Servers exist that repeat what they were sent.
            return 401, {"detail": f"Invalid token: {request.headers.get('Authorization')}"}
        return self.serve(request)

    def is_public(self, request: Request) -> bool:
        return False

    def download(self) -> bytes:
        return self.adapter

    def serve(self, request: Request) -> Answer:
        raise NotImplementedError

    def new_job(self, order: Any) -> Job:
        job = Job(f"job{len(self.jobs) + 1}", order)
        self.jobs[job.id] = job
        return job

    def advance(self, job: Job) -> float:
        """The share of a job that is done, after one more question."""
        job.polls += 1
        return min(1.0, job.polls / self.polls)


class ReplicateStandIn(StandIn):
    """Of Replicate."""

    title = "Replicate"
    models = ("ostris/flux-dev-lora-trainer", "me/fox")

    def download(self) -> bytes:
        return tar(
            {"output/flux_train_replicate/lora.safetensors": self.adapter, "output/config.yaml": b"job: extension"}
        )

    def serve(self, request: Request) -> Answer:
        path = request.path
        if (request.method, path) == ("POST", "/v1/files"):
            number = f"file{len(self.files) + 1}"
            start = request.body.index(b"PK\x03\x04")
            self.files[number] = request.body[start : request.body.rindex(b"\r\n--")]
            return 201, {"id": number, "urls": {"get": f"{self.url}/v1/files/{number}"}}
        if found := re.fullmatch(r"/v1/models/([^/]+/[^/]+)/versions/(\w+)/trainings", path):
            return self._start(request, found[1])
        if found := re.fullmatch(r"/v1/models/([^/]+/[^/]+)", path):
            known = found[1] in self.models
            return (200, {"latest_version": {"id": "v1"}}) if known else (404, {"detail": "No such model"})
        if path == "/v1/trainings":
            jobs = [self._told(job) for job in reversed(self.jobs.values())] if self.lists else []
            return 200, {"next": None, "previous": None, "results": jobs}
        if found := re.fullmatch(r"/v1/trainings/(\w+)(/cancel)?", path):
            job = self.jobs.get(found[1])
            if job is None:
                return 404, {"detail": "No such training"}
            job.canceled |= bool(found[2])
            return 200, self._told(job, self.advance(job))
        return 404, {"detail": "no such page"}

    def _start(self, request: Request, model: str) -> Answer:
        order = request.json
        if model not in self.models or order["destination"] not in self.models:
            return 404, {"detail": "No such model"}
        if order["input"]["input_images"].rsplit("/", 1)[-1] not in self.files:
            return 422, {"detail": "input_images can't be read"}
        return 201, self._told(self.new_job(order))

    def _told(self, job: Job, share: float = 0.0) -> dict[str, Any]:
        steps = job.order["input"]["steps"]
        told = {
            "id": job.id,
            "input": job.order["input"],
            "status": "processing" if share else "starting",
            "error": None,
        }
        told["logs"] = f"flux_train_replicate: 10%|# | {int(share * steps)}/{steps} [00:10<01:30]" if share else ""
        if job.canceled:
            return told | {"status": "canceled"}
        if job.failed:
            return told | {"status": "failed", "error": job.failed}
        if share >= 1:
            weights = {} if job.id in self.lost else {"weights": f"{self.url}{WEIGHTS}.tar"}
            return told | {"status": "succeeded", "output": {"version": "me/fox:v2", **weights}}
        return told


class FalStandIn(StandIn):
    """Of fal, whose list has only requests that have ended."""

    title = "fal"
    scheme = "Key"

    def is_public(self, request: Request) -> bool:
        return request.path.startswith("/put/")

    def serve(self, request: Request) -> Answer:
        path, method = request.path, request.method
        if path == "/v1/models/pricing":
            endpoint = request.query["endpoint_id"]
            price = {"endpoint_id": endpoint, "unit_price": self.price, "unit": "step", "currency": "USD"}
            return 200, {"prices": [price] if self.price else [], "next_cursor": None, "has_more": False}
        if path == "/v1/models/requests/by-endpoint":
            ended = [job for job in self.jobs.values() if job.polls >= self.polls] if self.lists else []
            wanted = [j for j in ended if request.query.get("request_id", j.id) == j.id]
            items = [{"request_id": j.id, "json_input": j.order, "json_output": self._output(j)} for j in wanted]
            return 200, {"items": items, "next_cursor": None, "has_more": False}
        if path == "/storage/upload/initiate":
            number = f"zip{len(self.files) + 1}"
            self.files[number] = b""
            return 200, {
                "upload_url": f"{self.url}/put/{number}?signature=abc",
                "file_url": f"{self.url}/files/{number}.zip",
            }
        if path.startswith("/put/"):
            self.files[path.rsplit("/", 1)[-1]] = request.body
            return 200, {}
        if found := re.fullmatch(r"/[^/]+/[^/]+/requests/(\w+)(/status|/cancel)?", path):
            return self._about(self.jobs.get(found[1]), found[2] or "")
        if method == "POST":
            return self._start(request)
        return 404, {"detail": "no such page"}

    def _start(self, request: Request) -> Answer:
        order = request.json
        address = order.get("images_data_url") or order.get("image_data_url") or ""
        if not self.files.get(address.rsplit("/", 1)[-1].removesuffix(".zip")):
            return 422, {"detail": [{"loc": ["body", "images_data_url"], "msg": "field required", "type": "missing"}]}
        job = self.new_job(order)
        return 200, {"status": "IN_QUEUE", "request_id": job.id, "status_url": f"{self.url}/x"}

    def _about(self, job: Job | None, what: str) -> Answer:
        if job is None:
            return 404, {"detail": "Request not found"}
        if what == "/cancel":
            if job.polls >= self.polls:
                return 400, {"status": "ALREADY_COMPLETED"}
            job.canceled = True
            return 202, {"status": "CANCELLATION_REQUESTED"}
        if what == "/status":
            share = self.advance(job)
            logs = [{"message": f"step {int(share * job.order['steps'])}/{job.order['steps']}"}]
            if job.canceled or job.failed:
                return 200, {"status": "COMPLETED", "error": job.failed or "cancelled", "error_type": "x", "logs": logs}
            if share < 1:
                return 202, {"status": "IN_PROGRESS", "logs": logs}
            return 200, {"status": "COMPLETED", "logs": logs, "metrics": {}}
        return (404, {"detail": "Request not found"}) if job.id in self.lost else (200, self._output(job))

    def _output(self, job: Job) -> dict[str, Any] | None:
        """None where the account doesn't store payloads."""
        if job.id in self.lost:
            return None
        return {
            "config_file": {"url": f"{self.url}/download/config.json"},
            "diffusers_lora_file": {"url": f"{self.url}{WEIGHTS}.safetensors?sig=x", "file_name": "lora.safetensors"},
        }


class CivitaiStandIn(StandIn):
    """Of Civitai's orchestrator."""

    title = "Civitai"

    def serve(self, request: Request) -> Answer:
        path, method = request.path, request.method
        if (method, path) == ("POST", "/v2/consumer/blobs"):
            assert request.headers["Content-Type"] in ("image/png", "image/jpeg", "image/webp")
            number = f"blob_{sha256(request.body).hexdigest()[:8]}"  # equal pictures are one blob
            self.files[number] = request.body
            return 201, {"type": "image", "id": number, "available": True}
        if (method, path) == ("POST", "/v2/consumer/workflows"):
            return self._submit(request)
        if (method, path) == ("GET", "/v2/consumer/workflows"):
            wanted = request.query["tags"]
            found = [job for job in self.jobs.values() if wanted in job.order["tags"]] if self.lists else []
            return 200, {"next": None, "items": [{"id": job.id, "tags": job.order["tags"]} for job in found]}
        if found := re.fullmatch(r"/v2/consumer/workflows/(\w+)", path):
            job = self.jobs.get(found[1])
            if job is None:
                return 404, {"title": "Not Found", "status": 404}
            job.canceled |= method == "PUT" and request.json.get("status") == "canceled"
            return 200, self._told(job, self.advance(job) if method == "GET" else 0.0)
        return 404, {"title": "Not Found"}

    def _submit(self, request: Request) -> Answer:
        (step,) = request.json["steps"]
        inputs = step["input"]
        if not 1 <= inputs["steps"] <= 10_000:
            errors = {"steps[0].input.steps": ["steps out of range"]}
            return 400, {"title": "One or more validation errors occurred.", "status": 400, "errors": errors}
        if request.query.get("whatif") == "true":
            total = max(400, round(inputs["steps"] * 0.2) + 10 * inputs["epochs"])
            return 200, {"status": "unassigned", "cost": {"base": total, "total": total} if self.price else None}
        blobs = [item["air"] for item in inputs["trainingData"]["items"]]
        if len({*blobs} & {*self.files}) < len(blobs):
            return 400, {"title": "no such blob, or twice", "status": 400}
        job = self.new_job(request.json)
        return 202, {"id": job.id, "status": "preparing", "tags": request.json["tags"]}

    def _told(self, job: Job, share: float) -> dict[str, Any]:
        status = "canceled" if job.canceled else "failed" if job.failed else "succeeded" if share >= 1 else "processing"
        step = {"$type": "training", "status": status, "jobs": [{"reason": job.failed}] if job.failed else []}
        planned = job.order["steps"][0]["input"]["epochs"]
        there, within = divmod(share * planned, 1)  # its estimate begins anew with each epoch
        if job.id not in self.lost:
            epochs = [self._epoch(number, number <= there) for number in range(1, planned + 1)]
            step |= {"estimatedProgressRate": within, "output": {"moderationStatus": "Approved", "epochs": epochs}}
        return {"id": job.id, "status": status, "tags": job.order["tags"], "steps": [step]}

    def _epoch(self, number: int, available: bool) -> dict[str, Any]:
        url = {"url": f"{self.url}{WEIGHTS}.safetensors?sig=abc&exp={number}"} if available else {}
        return {"epochNumber": number, "model": {"id": "blob_model", "available": available, **url}, "samples": []}


STAND_INS: Mapping[str, type[StandIn]] = {
    "replicate": ReplicateStandIn,
    "fal": FalStandIn,
    "civitai": CivitaiStandIn,
}
VARIABLES = {"replicate": "REPLICATE_API_TOKEN", "fal": "FAL_KEY", "civitai": "CIVITAI_API_TOKEN"}
ADDRESSES = {"replicate": "REPLICATE_BASE_URL", "fal": "FAL_BASE_URL", "civitai": "CIVITAI_BASE_URL"}
STARTING = {
    "replicate": r"POST .*/trainings$",
    "fal": r"POST /fal-ai/",
    "civitai": r"POST /v2/consumer/workflows",
}
"""The request that costs money."""
POLLING = {
    "replicate": r"GET /v1/trainings/\w+",
    "fal": r"GET .*/status",
    "civitai": r"GET /v2/consumer/workflows/\w+",
}
UPLOADING = {"replicate": r"POST /v1/files", "fal": r"PUT /put/", "civitai": r"POST /v2/consumer/blobs"}
FETCHING = r"GET /download/"


def tar(members: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def zipped(data: bytes) -> dict[str, bytes]:
    """The members of a zip."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


class Handler(BaseHTTPRequestHandler):
    """Lets a stand-in answer, and breaks what it is told to break."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # an answer's body would wait for the receipt of its head
    standin: StandIn

    def log_message(self, *_: Any) -> None:
        pass

    def _answer(self) -> None:
        (status, value), fault = self.standin.handle(self._request())
        if fault and fault.drop:
            self.close_connection = True
            return
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        if status == 200 and self.standin.resumes and (begin := self._begin()):
            status, data = 206, data[begin:]
        self.send_response(status)
        headers = {"ETag": '"v1"', "Content-Length": str(len(data)), **(fault.headers if fault else {})}
        for name, told in headers.items():
            self.send_header(name, told)
        self.end_headers()
        if fault and fault.cut:
            data = data[: int(len(data) * fault.cut)]
            self.close_connection = True
        self.wfile.write(data)

    def _begin(self) -> int:
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        return int(found[1]) if found and self.path.startswith("/download/") else 0

    def _request(self) -> Request:
        parts = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        return Request(self.command, parts.path, query, self.headers, self._body())

    def _body(self) -> bytes:
        assert self.headers.get("Transfer-Encoding") != "chunked", "storage wants to know the length of a file before"
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    do_GET = do_POST = do_PUT = _answer  # noqa: N815  as the library wants it
