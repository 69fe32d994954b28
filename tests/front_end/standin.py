"""A stand-in for ComfyUI's server: the real front end from PyPI and our extension, without ComfyUI and its nodes.

It answers what the page asks for as ComfyUI's ``server.py`` does, keeps queued prompts, and sends the events that a
test plays. Every address is there with and without ``/api``.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from aiohttp import WSMsgType, web
from lora_workbench.headless import io
from lora_workbench.headless.running import running
from lora_workbench.nodes.host.headless import HeadlessHost
from lora_workbench.nodes.host.paths import files_below
from lora_workbench.nodes.routes import ROUTES
from lora_workbench.nodes.routes.serving import add, add_scripts
from lora_workbench.nodes.routes.table import Answer, Asked, Route
from stock_nodes import CHECKPOINT, stock_nodes

EXTENSION = "lora-workbench"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Event = tuple[str, dict[str, Any]]
LOCALE_FILES = ("nodeDefs", "commands", "settings")
ENDS = ("execution_success", "execution_error", "execution_interrupted")
FEATURES = {"supports_preview_metadata": True, "max_upload_size": 2**20 * 100}
TEMPLATE_FOLDERS = ("example_workflows", "example", "examples", "workflow", "workflows")
MODEL_FOLDERS = ("checkpoints", "loras", "vae", "text_encoders", "diffusion_models", "embeddings")


class StandinHost(HeadlessHost):
    """Our host with ComfyUI's folders below one folder, confined as it is there."""

    confined = True
    node: str | None = None
    """The node that trains, as a test says."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "output", workflow_folder=folder / "input", silent=True)
        self._folder = folder

    def running_node(self) -> str | None:
        return self.node

    def store_root(self) -> Path:
        return self._folder / "user" / "lora_workbench"

    def temp_directory(self) -> Path:
        return self._folder / "temp"

    def picture_folders(self) -> Mapping[str, Path]:
        return {**super().picture_folders(), "input": self._folder / "input"}


class Standin:
    """A running stand-in.

    Attributes:
        folder: with ``input``, ``output`` (``output/loras`` has the adapters), ``temp`` and ``user``, as in ComfyUI.
        host: what our routes see.
        settings: the user's settings; a test may change them before it opens a page.
        prompts: what was posted to ``/prompt``, in order.
        posted: addresses of POST requests to our routes, with what they carried.
        unknown: addresses that a page asked for and that nothing answers.
        extension_on: whether the page gets our scripts.
    """

    def __init__(self, package: Path, root: Path, folder: Path) -> None:
        self.package, self.root, self.folder = package, root, folder
        self.host = StandinHost(folder)
        self.settings: dict[str, Any] = {}
        self.prompts: list[dict[str, Any]] = []
        self.posted: list[tuple[str, Any]] = []
        self.unknown: list[str] = []
        self.extension_on = True
        self.nodes: dict[str, type[io.ComfyNode]] = {}
        self.history: dict[str, Any] = {}
        self.url = ""
        self._waiting: list[str] = []
        self._sockets: dict[str, web.WebSocketResponse] = {}
        self._loop = asyncio.new_event_loop()
        for name in ("input", "output/loras", "temp", "user/default/workflows", "models/checkpoints"):
            (folder / name).mkdir(parents=True, exist_ok=True)

    # What tests do.

    def add_nodes(self, nodes: Iterable[type[io.ComfyNode]]) -> None:
        """Let pages that open from now on have these nodes too."""
        self.nodes |= {node.GET_SCHEMA().node_id: node for node in nodes}

    def forget(self) -> None:
        """Be as new, but for files."""
        self.settings.clear()
        self.prompts.clear()
        self.posted.clear()
        self.unknown.clear()
        self.history.clear()
        self._waiting.clear()
        self.host.node, self.extension_on = None, True

    def send(self, kind: str, data: Mapping[str, Any]) -> None:
        """One event to every page that is open."""
        self._do(self._send_json(kind, data))

    def post(self, kind: str, data: Mapping[str, Any]) -> None:
        """As :meth:`send`, without waiting for it, as ComfyUI's ``send_sync``."""
        asyncio.run_coroutine_threadsafe(self._send_json(kind, data), self._loop)

    def send_bytes(self, content: bytes) -> None:
        """One binary event, which begins with its number, to every page that is open."""
        self._do(self._send_bytes(content))

    def play(self, events: Iterable[Event], prompt_id: str | None = None) -> str:
        """Send what a run would: the events, each with the id of the prompt that was queued last unless it has one.

        Outputs of ``executed`` events get into the history, and an event that ends a prompt takes it off the queue.
        """
        chosen = prompt_id or (self.prompts[-1]["prompt_id"] if self.prompts else uuid4().hex)
        for kind, data in events:
            told = {"prompt_id": chosen, **data}
            if kind == "executed":
                self._entry(told["prompt_id"])["outputs"][str(told["node"])] = told.get("output")
            self.send(kind, told)
            if kind in ENDS:
                self._end(told["prompt_id"], kind)
        return chosen

    def _entry(self, prompt_id: str) -> dict[str, Any]:
        posted = next((posted for posted in self.prompts if posted["prompt_id"] == prompt_id), {})
        prompt = [0, prompt_id, posted.get("prompt", {}), posted.get("extra_data", {}), []]
        status = {"status_str": "success", "completed": True, "messages": []}
        return self.history.setdefault(prompt_id, {"prompt": prompt, "outputs": {}, "status": status, "meta": {}})

    def _end(self, prompt_id: str, kind: str) -> None:
        if kind != "execution_success":
            self._entry(prompt_id)["status"] |= {"status_str": "error", "completed": False}
        if prompt_id in self._waiting:
            self._waiting.remove(prompt_id)
        self.send("executing", {"node": None, "prompt_id": prompt_id})
        self.send("status", self._status())

    # What pages ask for.

    def object_info(self) -> dict[str, Any]:
        from lora_workbench.nodes import NODES

        with running(self.host):
            ours = {node.GET_SCHEMA().node_id: node.GET_NODE_INFO_V1() for node in NODES}
            core = {name: node.GET_NODE_INFO_V1() for name, node in (more_nodes() | stock_nodes() | self.nodes).items()}
            (adapters,) = [self.host.adapter_files()]
        for name, node in core.items():
            node |= {"python_module": "nodes", "display_name": node["display_name"] or name}
        if adapters:
            core["LoraLoader"]["input"]["required"]["lora_name"] = (adapters, {})
        return core | ours

    def _status(self) -> dict[str, Any]:
        return {"status": {"exec_info": {"queue_remaining": len(self._waiting)}}}

    def _table(self) -> web.RouteTableDef:
        """Every address, without ``/api``."""
        table = web.RouteTableDef()
        answers: dict[str, Callable[[], Any]] = {
            "/object_info": self.object_info,
            "/extensions": self._scripts,
            "/settings": lambda: self.settings,
            "/users": lambda: {"storage": "server", "migrated": True},
            "/i18n": lambda: translations(self.root / "locales"),
            "/queue": lambda: {"queue_running": [self._queued(one) for one in self._waiting], "queue_pending": []},
            "/prompt": self._status,
            "/history": lambda: self.history,
            "/system_stats": system_stats,
            "/features": lambda: FEATURES,
            "/embeddings": list,
            "/models": lambda: list(MODEL_FOLDERS),
            "/experiment/models": lambda: [{"name": name, "folders": []} for name in MODEL_FOLDERS],
            "/workflow_templates": lambda: {EXTENSION: self._templates()},
            "/global_subgraphs": self._subgraphs,
            "/node_replacements": dict,
            "/jobs": lambda: {"jobs": [], "pagination": {"offset": 0, "limit": None, "total": 0, "has_more": False}},
            "/internal/logs": lambda: "",
            "/internal/folder_paths": dict,
        }
        for path, answer in answers.items():
            table.get(path)(_json(answer))
        for method, path, handler in self._others():
            table.route(method, path)(handler)
        add([replace(route, act=partial(self._act, route)) for route in ROUTES], table)
        return table

    def _others(self) -> list[tuple[str, str, Handler]]:
        return [
            ("GET", "/ws", self._socket),
            ("GET", "/object_info/{name}", self._one_node),
            ("GET", "/settings/{name}", self._one_setting),
            ("POST", "/settings", self._set),
            ("POST", "/settings/{name}", self._set_one),
            ("GET", "/userdata", self._user_files),
            ("GET", "/userdata/{file}", self._user_file),
            ("POST", "/userdata/{file}", self._save_user_file),
            ("DELETE", "/userdata/{file}", self._remove_user_file),
            ("POST", "/prompt", self._queue),
            ("GET", "/history/{name}", self._one_history),
            ("GET", "/models/{name}", self._one_model_folder),
            ("GET", "/experiment/models/{name}", self._one_model_folder),
            ("GET", "/view", self._view),
            ("GET", "/view_metadata/{name}", self._metadata),
            ("GET", "/global_subgraphs/{name}", self._one_subgraph),
            ("POST", "/upload/image", self._upload),
            ("POST", "/interrupt", self._done),
            ("POST", "/queue", self._done),
            ("POST", "/history", self._done),
            ("POST", "/free", self._done),
        ]

    def _scripts(self) -> list[str]:
        js = self.root / "js"
        found = [f"/extensions/{EXTENSION}/{file}" for file in files_below([js], ".js")]
        own = [f"/{path.relative_to(self.package)}" for path in (self.package / "extensions").rglob("*.js")]
        return sorted(own) + (sorted(found) if self.extension_on else [])

    def _templates(self) -> list[str]:
        return [path.stem for folder in TEMPLATE_FOLDERS for path in sorted((self.root / folder).glob("*.json"))]

    def _subgraphs(self) -> dict[str, Any]:
        return {path.stem: self._subgraph(path) for path in sorted((self.root / "subgraphs").glob("*.json"))}

    def _subgraph(self, path: Path) -> dict[str, Any]:
        module = f"custom_nodes.{EXTENSION}"
        return {"source": "custom_node", "name": path.stem, "info": {"node_pack": module}, "id": path.stem}

    def _act(self, route: Route, asked: Asked) -> Answer:
        """What one of our routes does, noted if it is a POST."""
        if route.method == "POST":
            self.posted.append((route.path, dict(asked.body)))
        return route.act(asked)

    async def _one_subgraph(self, request: web.Request) -> web.StreamResponse:
        path = self.root / "subgraphs" / f"{Path(request.match_info['name']).name}.json"
        if not path.is_file():
            return web.Response(status=404)
        return web.json_response(self._subgraph(path) | {"data": path.read_text(encoding="utf-8")})

    def _queued(self, prompt_id: str) -> list[Any]:
        return self._entry(prompt_id)["prompt"]

    async def _one_node(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        found = self.object_info()
        return web.json_response({name: found[name]} if name in found else {})

    async def _one_setting(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(self.settings.get(request.match_info["name"]))

    async def _set(self, request: web.Request) -> web.StreamResponse:
        self.settings |= await request.json()
        return web.Response()

    async def _set_one(self, request: web.Request) -> web.StreamResponse:
        self.settings[request.match_info["name"]] = await request.json()
        return web.Response()

    async def _queue(self, request: web.Request) -> web.StreamResponse:
        posted = await request.json()
        posted.setdefault("prompt_id", str(uuid4()))
        self.prompts.append(posted)
        self._waiting.append(posted["prompt_id"])
        self._entry_later(posted["prompt_id"])
        await self._send_json("status", self._status())
        told = {"prompt_id": posted["prompt_id"], "number": len(self.prompts), "node_errors": {}}
        return web.json_response(told)

    def _entry_later(self, prompt_id: str) -> None:
        """A queued prompt isn't history yet."""
        self.history.pop(prompt_id, None)

    async def _one_history(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        return web.json_response({name: self.history[name]} if name in self.history else {})

    async def _one_model_folder(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        with running(self.host):
            files = self.host.adapter_files() if name == "loras" else [CHECKPOINT] if name == "checkpoints" else []
        if "experiment" in request.path:
            return web.json_response([{"name": file, "pathIndex": 0} for file in files])
        return web.json_response(files)

    def _user_path(self, name: str) -> Path:
        top = self.folder / "user" / "default"
        path = (top / name).resolve()
        if not path.is_relative_to(top.resolve()):
            raise web.HTTPForbidden
        return path

    async def _user_files(self, request: web.Request) -> web.StreamResponse:
        top = self._user_path(request.query.get("dir", ""))
        if not top.is_dir():
            return web.Response(status=404)
        wanted = "**/*" if request.query.get("recurse") == "true" else "*"
        found = [path for path in sorted(top.glob(wanted)) if path.is_file()]
        if request.query.get("full_info") == "true":
            return web.json_response([_described(path, top) for path in found])
        names = [path.relative_to(top).as_posix() for path in found]
        split = request.query.get("split") == "true"
        return web.json_response([[name, *name.split("/")] for name in names] if split else names)

    async def _user_file(self, request: web.Request) -> web.StreamResponse:
        path = self._user_path(request.match_info["file"])
        if not path.is_file():
            return web.Response(status=404)
        return web.FileResponse(path, headers={"X-Content-Type-Options": "nosniff"})

    async def _save_user_file(self, request: web.Request) -> web.StreamResponse:
        path = self._user_path(request.match_info["file"])
        if request.query.get("overwrite") == "false" and path.exists():
            return web.Response(status=409)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(await request.read())
        top = self._user_path("")
        full = request.query.get("full_info") == "true"
        return web.json_response(_described(path, top) if full else path.relative_to(top).as_posix())

    async def _remove_user_file(self, request: web.Request) -> web.StreamResponse:
        path = self._user_path(request.match_info["file"])
        if not path.is_file():
            return web.Response(status=404)
        path.unlink()
        return web.Response(status=204)

    async def _view(self, request: web.Request) -> web.StreamResponse:
        top = (self.folder / request.query.get("type", "output")).resolve()
        path = (top / request.query.get("subfolder", "") / request.query.get("filename", "")).resolve()
        if not path.is_relative_to(self.folder.resolve()) or not path.is_file():
            return web.Response(status=404)
        return web.FileResponse(path)

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        posted = await request.post()
        image = posted["image"]
        assert isinstance(image, web.FileField)
        name = Path(image.filename).name
        (self.folder / "input" / name).write_bytes(image.file.read())
        return web.json_response({"name": name, "subfolder": "", "type": "input"})

    async def _metadata(self, request: web.Request) -> web.StreamResponse:
        """The metadata in an adapter's header."""
        with running(self.host):
            path = self.host.adapter_path(request.query.get("filename", ""))
        with path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        if "__metadata__" not in header:
            return web.Response(status=404)
        return web.json_response(header["__metadata__"])

    async def _done(self, request: web.Request) -> web.StreamResponse:
        return web.Response()

    async def _none(self, request: web.Request) -> web.StreamResponse:
        return web.Response(status=404)

    # Web sockets.

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        name = request.query.get("clientId") or uuid4().hex
        self._sockets[name] = socket
        try:
            await socket.send_json({"type": "status", "data": self._status() | {"sid": name}})
            async for message in socket:
                if message.type == WSMsgType.TEXT and json.loads(message.data).get("type") == "feature_flags":
                    await socket.send_json({"type": "feature_flags", "data": FEATURES})
        finally:
            if self._sockets.get(name) is socket:
                del self._sockets[name]
        return socket

    async def _send_json(self, kind: str, data: Mapping[str, Any]) -> None:
        for socket in list(self._sockets.values()):
            with contextlib.suppress(ConnectionError):
                await socket.send_json({"type": kind, "data": dict(data)})

    async def _send_bytes(self, content: bytes) -> None:
        for socket in list(self._sockets.values()):
            with contextlib.suppress(ConnectionError):
                await socket.send_bytes(content)

    def _do(self, act: Any) -> None:
        asyncio.run_coroutine_threadsafe(act, self._loop).result(timeout=30)

    # Starting.

    def _app(self) -> web.Application:
        app = web.Application(client_max_size=2**27, middlewares=[self._around()])
        plain = self._table()
        twice = web.RouteTableDef()
        for route in plain:
            assert isinstance(route, web.RouteDef)
            twice.route(route.method, f"/api{route.path}")(route.handler)
        app.add_routes(twice)
        app.add_routes(plain)
        for folder in TEMPLATE_FOLDERS:
            if (self.root / folder).is_dir():
                app.router.add_static(f"/api/workflow_templates/{EXTENSION}", self.root / folder)
        scripts = web.RouteTableDef()
        add_scripts(self.root / "js", [EXTENSION], scripts)
        app.add_routes(scripts)
        app.router.add_static(f"/extensions/{EXTENSION}", self.root / "js")
        app.router.add_get("/", self._page)
        app.router.add_static("/", self.package)
        return app

    async def _page(self, request: web.Request) -> web.StreamResponse:
        return web.FileResponse(self.package / "index.html", headers={"Cache-Control": "no-store"})

    def _around(self) -> Any:
        @web.middleware
        async def around(request: web.Request, handler: Handler) -> web.StreamResponse:
            if foreign(request):
                return web.Response(status=403)
            try:
                with running(self.host):
                    answer = await handler(request)
            except web.HTTPNotFound:
                self.unknown.append(request.path)
                raise
            if request.path.endswith((".js", ".css")) and request.path.startswith("/extensions"):
                answer.headers["Cache-Control"] = "no-cache"
            return answer

        return around

    @contextlib.contextmanager
    def serving(self) -> Iterator[Standin]:
        """Serve on a free port until the block ends."""
        thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        thread.start()
        runner = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(timeout=60)
        try:
            yield self
        finally:
            with contextlib.suppress(TimeoutError):
                asyncio.run_coroutine_threadsafe(runner.cleanup(), self._loop).result(timeout=10)
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join(timeout=10)

    async def _start(self) -> web.AppRunner:
        runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return runner


def foreign(request: web.Request) -> bool:
    """Whether another site's page asks, which ComfyUI refuses."""
    origin = request.headers.get("Origin")
    other = origin is not None and origin.split("://")[-1].lower() != request.host.lower()
    return other or request.headers.get("Sec-Fetch-Site") == "cross-site"


def translations(folder: Path) -> dict[str, Any]:
    """What ``/i18n`` answers of an extension's ``locales``: ``main.json`` with the others below their names."""
    found: dict[str, Any] = {}
    for language in sorted(path for path in folder.glob("*/") if path.is_dir()):
        main = _texts(language / "main.json")
        main |= {name: texts for name in LOCALE_FILES if (texts := _texts(language / f"{name}.json"))}
        if main:
            found[language.name] = main
    return found


def _texts(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _described(path: Path, top: Path) -> dict[str, Any]:
    told = path.stat()
    times = {"modified": int(told.st_mtime * 1000), "created": int(told.st_ctime * 1000)}
    return {"path": path.relative_to(top).as_posix(), "size": told.st_size, **times}


def _json(answer: Callable[[], Any]) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        return web.json_response(answer())

    return handle


def system_stats() -> dict[str, Any]:
    """A computer with one CPU as its only device, and the ComfyUI that tests stand in for."""
    memory = 2**34
    device = {"name": "cpu", "type": "cpu", "index": None, "vram_total": memory, "vram_free": memory}
    device |= {"torch_vram_total": memory, "torch_vram_free": memory}
    system = {
        "os": "linux", "ram_total": memory, "ram_free": memory, "comfyui_version": "0.33.0", "argv": ["main.py"],
        "required_frontend_version": None, "installed_templates_version": None, "required_templates_version": None,
        "python_version": "3.12", "pytorch_version": "2.9", "embedded_python": False, "comfy_package_versions": [],
        "deploy_environment": "local-git",
    }  # fmt: skip
    return {"system": system, "devices": [device]}


def more_nodes() -> dict[str, type[io.ComfyNode]]:
    """Nodes of ComfyUI's own that no workflow of ours has, but that tests put beside ours."""
    from stock_nodes import _node

    strength = {"default": 1.0, "min": -100.0, "max": 100.0, "step": 0.01}
    loader = [
        io.Model.Input("model"),
        io.Clip.Input("clip"),
        io.Combo.Input("lora_name", options=["none.safetensors"]),
        io.Float.Input("strength_model", **strength),
        io.Float.Input("strength_clip", **strength),
    ]
    found = [
        _node("LoraLoader", loader, [io.Model.Output(), io.Clip.Output()]),
        _node("PreviewImage", [io.Image.Input("images")], [], saves=True),
        _node("VAEEncode", [io.Image.Input("pixels"), io.Vae.Input("vae")], [io.Latent.Output()]),
    ]
    return {node.GET_SCHEMA().node_id: node for node in found}


@contextlib.contextmanager
def serve(package: Path, root: Path, folder: Path) -> Iterator[Standin]:
    """A stand-in with a front end's static files, the repository at ``root`` and all files below ``folder``."""
    with Standin(package, root, folder).serving() as standin:
        yield standin
