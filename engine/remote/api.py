"""A thin HTTP client: repeats what may be repeated, sends a start once, and says in words what went wrong."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Generator, Iterable
from contextlib import closing, suppress
from pathlib import Path
from threading import Event as Flag
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..core.errors import RemoteError
from ..core.events import Event, Progress
from .answers import until, words_of
from .patience import Patience, waited
from .tokens import Token
from .transport import certificates, library, quietly
from .uploading import Counted, aside

if TYPE_CHECKING:
    import httpx

Attempt = Callable[[], Generator[Event, None, "httpx.Response"]]
LARGEST_ANSWER = 32 << 20
"""Bytes of an answer that is kept in memory."""
LARGEST_DOWNLOAD = 16 << 30
_SAID = 600
"""Characters of a provider's own words in an error."""
_AGAIN = (408, 425, 429, 500, 502, 503, 504)
_NOT_STARTED = 429
"""What a start request gets that was turned away at the door."""
_NO_SUCH_REST = 416
_SLOW = 600.0
"""Seconds for a piece of an upload, or for the answer after it."""
_PORTS = {"http": 80, "https": 443}
_SIGNATURE = re.compile(r"(?<=\S)\?[\w%.~-]+=[^\s\"'<>]*")
"""The query of an address, which may hold a signature."""


class DoubtError(Exception):
    """Whether a start request was served isn't known; says what happened to it."""


class UnreachableError(RemoteError):
    """The provider didn't answer, or not in a useful way, however often it was asked."""


class MissingError(RemoteError):
    """The provider says that there is no such thing, any more or yet."""


class ForbiddenError(RemoteError):
    """The token is known, but hasn't the right to do this."""


class Api:
    """Requests with a token, which goes to the provider's own hosts alone.

    Args:
        title: the provider's, for messages.
        token: of the account.
        scheme: before the token in its header.
        own: addresses that get the token.
        patience: how long to wait.
    """

    def __init__(
        self, title: str, token: Token, scheme: str, own: Iterable[str], patience: Patience | None = None
    ) -> None:
        httpx = library()
        self.title, self.patience = title, patience or Patience()
        self._token, self._scheme = token, scheme
        self._own = {_origin(address) for address in own}
        timeout = httpx.Timeout(self.patience.answer, connect=self.patience.connect)
        self._client = httpx.Client(
            timeout=timeout, headers={"User-Agent": "lora-workbench"}, auth=self._signed, verify=certificates()
        )

    def close(self) -> None:
        self._client.close()

    def get(self, url: str, **parameters: Any) -> Generator[Event, None, Any]:
        """The JSON at an address of the provider.

        Raises:
            RemoteError: it refuses, or can't be reached.
        """
        return (yield from self.asked("GET", url, params=parameters))

    def asked(self, method: str, url: str, **options: Any) -> Generator[Event, None, Any]:
        """The JSON that answers a request, which may be repeated."""
        return self._json((yield from self.answered(method, url, **options)))

    def answered(self, method: str, url: str, **options: Any) -> Generator[Event, None, httpx.Response]:
        """The answer to a request, which may be repeated."""

        def attempt() -> Generator[Event, None, httpx.Response]:
            yield Event()
            return self._sent(method, url, **options)

        return (yield from self._repeated(attempt))

    def started(self, url: str, order: Any, **parameters: Any) -> Generator[Event, None, Any]:
        """The JSON that answers a request which costs money. It is sent again only if it surely wasn't served: no
        connection came about, or the provider turned it away.

        Raises:
            RemoteError: the provider refuses.
            DoubtError: it may have been served.
        """
        httpx = library()
        problem: RemoteError | None = None
        unsent = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
        for attempt in range(1, self.patience.tries + 1):
            try:
                response = self._sent("POST", url, json=order, params=parameters)
            except unsent as error:
                problem = self._unreached(error)
            except httpx.HTTPError as error:
                raise DoubtError(f"the answer was lost ({type(error).__name__})") from None
            else:
                if response.status_code != _NOT_STARTED:
                    return self._answer_of_start(response)
                problem = self._turned_away(response)
                yield from waited(self._asked_for(response))
            if attempt < self.patience.tries:
                yield from waited(self.patience.before_try(attempt))
        assert problem
        raise problem

    def uploaded(
        self, method: str, url: str, path: Path, send: Callable[[io.RawIOBase], dict[str, Any]]
    ) -> Generator[Event, None, httpx.Response]:
        """Send a file, with progress; the answer.

        Args:
            method: PUT or POST.
            url: where to.
            path: of the file.
            send: gives the options of the request for a file that is read as it is sent.
        """
        size = path.stat().st_size

        def attempt() -> Generator[Event, None, httpx.Response]:
            stopped, sent = Flag(), [0]

            def request() -> httpx.Response:
                with path.open("rb") as file:
                    return self._sent(method, url, timeout=_SLOW, **send(Counted(file, sent, stopped)))

            return (yield from aside(request, sent, size, stopped))

        return (yield from self._repeated(attempt))

    def downloaded(self, url: str, path: Path, label: str) -> Generator[Event, None, None]:
        """Fetch a file. After an interruption it goes on where it stopped if the server can, else from the beginning.

        Raises:
            RemoteError: it can't be had whole.
        """
        httpx = library()
        self._refuse_address(url)
        path.unlink(missing_ok=True)
        tag, problem = "", ""
        for attempt in range(1, self.patience.tries + 1):
            have = path.stat().st_size if path.exists() else 0
            headers = {"Range": f"bytes={have}-", "If-Range": tag} if have and tag else {}
            headers["Accept-Encoding"] = "identity"
            try:
                with closing(self._sent("GET", url, headers=headers, as_it_comes=True)) as response:
                    if response.status_code == _NO_SUCH_REST:
                        path.unlink()
                    elif response.status_code in _AGAIN:
                        problem = f"status {response.status_code}"
                        yield from waited(self._asked_for(response))
                    elif response.is_error:
                        response.read()
                        raise self._refused(response)
                    else:
                        tag = response.headers.get("ETag", "")
                        yield from self._kept(response, path, have, label)
                        return
            except httpx.HTTPError as error:
                problem = type(error).__name__
            except _ShortError as error:
                problem = str(error)
            yield from waited(self.patience.before_try(attempt))
        raise UnreachableError(
            f"The adapter couldn't be fetched from {self.title}: {problem}.",
            expected="the whole file",
            hint="run again: the training is paid for and kept there, and nothing is started anew.",
        )

    def _sent(self, method: str, url: str, *, as_it_comes: bool = False, **options: Any) -> httpx.Response:
        """The answer; with ``as_it_comes``, from wherever redirections lead, with its body still to be read."""
        request = self._client.build_request(method, url, **options)
        with quietly():
            return self._client.send(request, stream=as_it_comes, follow_redirects=as_it_comes)

    def _kept(self, response: httpx.Response, path: Path, have: int, label: str) -> Generator[Event, None, None]:
        """Write the body of an answer, which may be the rest of a file."""
        goes_on = response.status_code == 206
        done = have if goes_on else 0
        whole = done + int(response.headers.get("Content-Length", 0))
        with path.open("ab" if goes_on else "wb") as file:
            for piece in response.iter_raw():
                file.write(piece)
                done += len(piece)
                if done > LARGEST_DOWNLOAD:
                    raise RemoteError(
                        f"What {self.title} sends is larger than {LARGEST_DOWNLOAD >> 30} GB.",
                        expected="an adapter",
                        hint="look at the job's page there.",
                    )
                yield Progress(done=done >> 10, total=max(whole, done) >> 10, label=label)
        if done < whole:
            raise _ShortError(f"it ended after {done} of {whole} bytes")

    def _repeated(self, send: Attempt) -> Generator[Event, None, httpx.Response]:
        """The answer to a request, which is sent again as long as that may help."""
        httpx = library()
        problem: RemoteError | None = None
        for attempt in range(1, self.patience.tries + 1):
            try:
                response = yield from send()
            except httpx.HTTPError as error:
                problem = self._unreached(error)
            else:
                if response.status_code not in _AGAIN:
                    if response.is_success:
                        return response
                    raise self._refused(response)
                problem = self._turned_away(response)
                yield from waited(self._asked_for(response))
            if attempt < self.patience.tries:
                yield from waited(self.patience.before_try(attempt))
        assert problem
        raise problem

    def _answer_of_start(self, response: httpx.Response) -> Any:
        if response.is_success:
            try:
                if isinstance(told := response.json(), dict):
                    return told
            except (ValueError, RecursionError):
                pass
            raise DoubtError(f"the answer, of status {response.status_code}, can't be read")
        if response.status_code in _AGAIN or not response.is_client_error:
            raise DoubtError(f"the answer was status {response.status_code}")
        raise self._refused(response)

    def _signed(self, request: httpx.Request) -> httpx.Request:
        """A request with the token if it goes to the provider's own hosts; redirections to others lose it."""
        if _origin(str(request.url)) in self._own:
            request.headers["Authorization"] = self._token.header(self._scheme)
        return request

    def _refuse_address(self, url: str) -> None:
        if _origin(url) not in self._own and urlsplit(url).scheme != "https":
            raise RemoteError(
                f"{self.title} names an address for its result that isn't safe to read: {self.shown(url)}.",
                expected="an address that begins with https",
                hint="look at the job's page there.",
            )

    def _json(self, response: httpx.Response) -> Any:
        if not response.content:
            return {}
        try:
            if len(response.content) > LARGEST_ANSWER or not isinstance(told := response.json(), dict):
                raise ValueError
            return told
        except (ValueError, RecursionError):
            raise UnreachableError(
                f"{self.title} answered in a form that can't be read: {self._said(response)!r}.",
                expected="JSON",
                hint="try again later; if it stays so, its interface has changed.",
            ) from None

    def _asked_for(self, response: httpx.Response) -> float:
        """The seconds that an answer asks to wait for; 0 if it doesn't say."""
        asked = response.headers.get("Retry-After", "").strip()
        seconds = 0.0
        with suppress(ValueError, TypeError, OverflowError):
            seconds = float(asked) if asked[:1].isdigit() else until(asked)
        return min(max(seconds, 0.0), self.patience.most_asked)

    def _unreached(self, error: Exception) -> RemoteError:
        return UnreachableError(
            f"{self.title} can't be reached: {self.shown(str(error)) or type(error).__name__}.",
            expected="an answer",
            hint="check the connection and the proxy, then run again; what was started goes on.",
        )

    def _turned_away(self, response: httpx.Response) -> RemoteError:
        busy = response.status_code == _NOT_STARTED
        return UnreachableError(
            f"{self.title} {'allows no more requests now' if busy else 'has a fault'} (status {response.status_code}): "
            f"{self._said(response)}",
            expected="an answer within several tries",
            hint="run again in some minutes; what was started goes on.",
        )

    def _refused(self, response: httpx.Response) -> RemoteError:
        status, said = response.status_code, self._said(response)
        if status == 401:
            return RemoteError(
                f"{self.title} refuses the token: {said}",
                expected=f"a valid token from {self._token.place}",
                hint="make a new token on its site, set it, and run again.",
            )
        if status == 402:
            return RemoteError(
                f"{self.title} wants payment first: {said}",
                expected="an account with enough credit",
                hint="add credit.",
            )
        if status == 404:
            return MissingError(f"{self.title} doesn't know it: {said}", expected="something that exists there")
        kind = ForbiddenError if status == 403 else RemoteError
        hint = "give the token the right to train." if status == 403 else "correct the order, then run again."
        return kind(f"{self.title} refuses (status {status}): {said}", expected="an order that it takes", hint=hint)

    def _said(self, response: httpx.Response) -> str:
        """The provider's own words, bounded, and without the token, which servers may repeat."""
        return self.shown(words_of(response.text[: 1 << 16]))[:_SAID] or "without a word"

    def shown(self, text: str) -> str:
        """A text of others for people: without the token, and without the signatures in addresses."""
        return self._token.hidden_in(_SIGNATURE.sub("", " ".join(text.split())))


class _ShortError(Exception):
    """A body that ended too early."""


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or _PORTS.get(parts.scheme)
