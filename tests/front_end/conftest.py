"""Chromium, looking at the real front end and our extension on a stand-in for ComfyUI's server."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from chromium import chromium

sys.path.insert(0, str(Path(__file__).parent))  # so that tests find standin.py

from front_ends import NEWEST, PINNED, READY, RENDERERS, NotInstalledError, front_end_package, user_settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page
    from standin import Standin

NOT_THERE = ("/userdata?dir=", "/en.md")
"""What the front end asks for though it needn't be there, so that ComfyUI answers 404: folders of the user's, and help
pages of one language."""
DRAWN_EITHER_WAY = pytest.mark.parametrize("lasting", ["canvas"], indirect=True)
"""For tests of what no node shows, or of scripts alone: they are the same in both renderers."""
AS_NEW = """async vue => {
    const {setting, sidebarTab, toast, workflow} = app.extensionManager
    if (sidebarTab.activeSidebarTabId) sidebarTab.toggleSidebarTab(sidebarTab.activeSidebarTabId)
    app.canvas.finalizeGhostPlacement(true) // a node that hangs on the pointer
    const earlier = [...workflow.openWorkflows]
    await app.loadGraphData({nodes: [], links: [], groups: [], version: 0.4, last_node_id: 0, last_link_id: 0})
    for (const one of earlier) if (one !== workflow.activeWorkflow) await workflow.closeWorkflow(one)
    await setting.set("Comfy.VueNodes.Enabled", vue)
    app.nodeOutputs = {}
    await app.refreshComboInNodes() // tests have adapters of their own
    toast.removeAll()
    Object.assign(app.canvas.ds, {scale: 1, offset: [0, 0]})
}"""
"""An empty workflow, alone, with a renderer."""
REMOVE_MESSAGES = "() => app.extensionManager.toast.removeAll()"
RETRIES = int(os.environ.get("BROWSER_RETRIES", "0"))
"""How often a test that fails is run again, for continuous integration: on a busy computer a browser is late now and
then. The summary counts such tests as rerun."""
OURS = ("lora-workbench", "lora_workbench", "LoRAWorkbench", "LW_", "lw-")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if RETRIES and item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.flaky(reruns=RETRIES))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


def _serving(version: str, root: Path, factory: pytest.TempPathFactory) -> Iterator[Standin]:
    pytest.importorskip("aiohttp", reason="needs the extra 'dev'")
    from standin import serve

    try:
        package = front_end_package(version)
    except NotInstalledError as error:
        pytest.skip(str(error))
    with serve(package, root, factory.mktemp("standin")) as running:
        yield running


@pytest.fixture(scope="session")
def standin(browser: Browser, root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standin]:
    """A server with the front end of the ComfyUI that we are tested with, or the one that ``FRONT_END`` names."""
    yield from _serving(os.environ.get("FRONT_END", PINNED), root, tmp_path_factory)


@pytest.fixture(scope="session")
def newest(browser: Browser, root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standin]:
    """A server with the newest front end."""
    yield from _serving(NEWEST, root, tmp_path_factory)


class Watch:
    """What a page says on its console; :meth:`check` fails for what is of ours."""

    def __init__(self, page: Page) -> None:
        self.said: list[str] = []
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.said.append(f"uncaught: {error}\n{error.stack}"))

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.said.append(f"{message.type}: {message.text} ({message.location.get('url')})")

    def check(self) -> None:
        said, self.said = self.said, []
        expected = [text for text in said if any(mark in text for mark in NOT_THERE)]
        assert not [text for text in said if any(mark in text for mark in OURS) and text not in expected]


class Opened:
    """Opens pages, and closes them when a test has ended."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._pages: list[tuple[BrowserContext, Watch]] = []

    def open(self, server: Standin, renderer: str = "canvas", *, ready: str = READY, **settings: Any) -> Page:
        """A page of its own browser context, ready for a workflow.

        Args:
            server: where from.
            renderer: ``canvas``, or ``vue`` for nodes made of Vue components.
            ready: what the page must come to, in JavaScript.
            settings: more of the user's settings, with ``__`` for dots.
        """
        given = {name.replace("__", "."): value for name, value in settings.items()}
        server.settings |= user_settings(renderer) | given
        context = self._browser.new_context(viewport={"width": 1600, "height": 1000})
        page = context.new_page()
        page.set_default_timeout(45_000)
        self._pages.append((context, Watch(page)))
        page.goto(server.url)
        page.wait_for_function(ready)
        page.wait_for_load_state("networkidle")
        return page

    @property
    def only(self) -> Page:
        """The page, where there is one."""
        [(context, _)] = self._pages
        return context.pages[0]

    def said(self) -> list[str]:
        """Errors and warnings so far."""
        return [text for _, watch in self._pages for text in watch.said]

    def close(self) -> None:
        for context, _ in self._pages:
            context.close()
        self.check()

    def check(self) -> None:
        """Fail for what pages have said of ours since the last check."""
        for _, watch in self._pages:
            watch.check()


@pytest.fixture
def opened(browser: Browser, standin: Standin) -> Iterator[Opened]:
    """For pages that a test opens itself."""
    standin.forget()
    pages = Opened(browser)
    yield pages
    pages.close()


@pytest.fixture(params=list(RENDERERS))
def page(request: pytest.FixtureRequest, standin: Standin, opened: Opened) -> Page:
    """A page ready for a workflow: nodes drawn on a canvas, then made of Vue components."""
    return opened.open(standin, request.param)


@pytest.fixture(autouse=True)
def without_messages(request: pytest.FixtureRequest) -> None:
    """A page that lasts shows no messages of earlier tests, which a later one would take for its own."""
    if "lasting" in request.fixturenames:
        page: Page = request.getfixturevalue("lasting")
        page.evaluate(REMOVE_MESSAGES)
        page.wait_for_function("!document.querySelector('.p-toast-message')")  # they fade


@pytest.fixture(scope="session")
def shared(browser: Browser, standin: Standin) -> Iterator[Opened]:
    """The page that the tests of all files share: to open one takes seconds."""
    pages = Opened(browser)
    pages.open(standin)
    yield pages
    pages.close()


@pytest.fixture(scope="module", params=list(RENDERERS))
def lasting(request: pytest.FixtureRequest, shared: Opened, standin: Standin) -> Iterator[Page]:
    """A page for all tests of a file, each of which opens a workflow of its own in it."""
    standin.forget()
    page = shared.only
    page.evaluate(AS_NEW, RENDERERS[request.param])
    assert page.evaluate("LiteGraph.vueNodesMode") == RENDERERS[request.param]
    yield page
    page.evaluate(AS_NEW, RENDERERS[request.param])
    shared.check()


@pytest.fixture(scope="module")
def drawn(browser: Browser, standin: Standin) -> Iterator[Page]:
    """A page for all tests of a file, with nodes drawn on the canvas and nothing over it."""
    standin.forget()
    pages = Opened(browser)
    yield pages.open(standin, Comfy__Minimap__Visible=False)
    pages.close()
