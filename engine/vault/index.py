"""The vault's index: the cards of all adapters in one SQLite file, which is made again from the files at any time.

A file is read again only if its size, its times or those of a file beside it have changed. What can't be used as an
index (a damaged, locked or foreign file, one of a newer version, a folder that can't be written) is replaced or done
without, and said: then the cards are in memory, and gone when it is closed.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from pathlib import Path
from threading import RLock
from typing import Any, Literal, TypeVar

from ..core.events import Event, Progress
from .card import Card
from .reading import read_card, stamp_of
from .searching import Query
from .sidecars import Folders

SCHEMA = 2
"""Raised with every change of what a card or the table holds."""
_OURS = 0x4C57_5641
"""``application_id`` of the file: LWVA."""
WAIT = 2.0
"""Seconds that another process may hold the index."""
_TOGETHER = 100
"""Files that are read between two writes."""
_HIGHEST = 2**31
"""Rank: what a database holds."""
_REMEMBERED = 2000
"""Files that are gone, whose hashes are kept to find them under other names."""
_TABLE = """
create table adapters (
    path blob primary key, name text not null, called text not null, stamp text not null, gone integer not null,
    words text not null, family text not null, kinds text not null, triggers text not null, base text not null,
    writer text not null, notes text not null, rank integer not null,
    fingerprint text not null, content text not null, card text not null
)
"""
"""``gone`` is 0, or the higher the later a file was missed; the texts that are searched are casefolded."""
_INSERT = f"insert or replace into adapters values ({', '.join('?' * 16)})"
_FORGET = """
delete from adapters where gone > 0 and path not in
    (select path from adapters where gone > 0 order by gone desc limit ?)
"""

T = TypeVar("T")
Field = Literal["family", "kinds", "base"]
"""Columns that people choose among."""
Files = Iterable[tuple[str, Path]]
"""(name below the folder of adapters, path) of each adapter."""


class Index:
    """The cards of all adapters, in a file or in memory. Thread-safe: a thread may search while another refreshes.

    Args:
        place: of the file, which is made if there is none.
        wait: seconds that another process may hold it.
    """

    def __init__(self, place: Path, wait: float = WAIT) -> None:
        self._place, self._wait = place, wait
        self._files: list[tuple[str, Path]] = []
        self._lock = RLock()
        self.note = ""
        """What the user should know of the file, one sentence; empty if nothing."""
        try:
            self._connection = _connected(place, wait)
        except (sqlite3.DatabaseError, UnusableError, OSError) as error:
            self._connection = self._instead(error)

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def refresh(self, files: Files) -> Generator[Event, None, None]:
        """Read what is new or changed, and remember what is gone. Stopping in between keeps what was read.

        Args:
            files: all that there are.
        """
        self._files, folders = [*files], Folders()
        named = {os.fsencode(path): name for name, path in self._files}
        known = dict(self._rows("select path, stamp from adapters where gone = 0"))
        stamps = [stamp_of(path, folders.beside(path)) for _, path in self._files]
        changed = [
            (name, path, stamp)
            for (name, path), stamp in zip(self._files, stamps, strict=True)
            if known.get(os.fsencode(path)) != stamp
        ]
        for start in range(0, len(changed), _TOGETHER):
            some = changed[start : start + _TOGETHER]
            self._put([_row(path, stamp, read_card(name, path, folders.beside(path))) for name, path, stamp in some])
            yield Progress(done=start + len(some), total=len(changed), label="reading adapters")
        self._forget([path for path in known if path not in named])

    def card(self, name: str, path: Path) -> Card:
        """The card of one adapter, read if it isn't known or has changed."""
        beside = Folders().beside(path)
        stamp = stamp_of(path, beside)
        known = "select card from adapters where path = ? and stamp = ? and gone = 0"
        if found := self._cards(known, os.fsencode(path), stamp):
            return found[0]
        card = read_card(name, path, beside)
        self._put([_row(path, stamp, card)])
        return card

    def cards(self) -> list[Card]:
        """All cards, by name."""
        return self._cards("select card from adapters where gone = 0 order by name")

    def search(self, query: Query, *, recent: Sequence[str] = (), first: int = 0, most: int = -1) -> list[Card]:
        """The cards that a query finds, those whose names fit its words best first, then by name.

        Args:
            query: words and filters.
            recent: names that come before others that fit as well, in this order.
            first: cards that are left out at the beginning.
            most: how many are given; -1 for all.
        """
        condition, values = query.condition()
        place = {written(name): at for at, name in enumerate(dict.fromkeys(recent))}
        asked = (
            f"select card from adapters where gone = 0 and {condition} "
            "order by standing(called), recency(name), name limit ? offset ?"
        )

        def work(connection: sqlite3.Connection) -> list[Card]:
            connection.create_function("standing", 1, query.standing)
            connection.create_function("recency", 1, lambda name: place.get(name, len(place)))
            return [Card.from_json(text) for (text,) in connection.execute(asked, [*values, most, first])]

        return self._done(work)

    def count(self, query: Query) -> int:
        """How many cards a query finds."""
        condition, values = query.condition()
        return self._rows(f"select count(*) from adapters where gone = 0 and {condition}", *values)[0][0]

    def counts(self, query: Query, field: Field) -> dict[str, int]:
        """What the cards that a query finds have in a field -> how many of them, the most frequent first."""
        condition, values = query.condition()
        asked = f"select count(*), max(card) from adapters where gone = 0 and {condition} group by {field}"
        found: dict[str, int] = {}
        for count, text in self._rows(asked, *values):  # the columns are casefolded, cards aren't
            own = getattr(Card.from_json(text), field)
            for value in filter(None, [own] if isinstance(own, str) else own):
                found[value] = found.get(value, 0) + count
        return dict(sorted(found.items(), key=lambda item: (-item[1], item[0].casefold())))

    def families(self) -> list[str]:
        """Those that adapters are of, the most frequent first."""
        asked = (
            "select family from adapters where gone = 0 and family != '' group by family order by count(*) desc, family"
        )
        return [family for (family,) in self._rows(asked)]

    def names(self) -> set[str]:
        """Of all files that were there when they were read last."""
        return {name for (name,) in self._rows("select name from adapters where gone = 0")}

    def fingerprints(self, name: str) -> set[str]:
        """Of the files that had this name when they were read last."""
        asked = "select fingerprint from adapters where name = ? and fingerprint != ''"
        return {fingerprint for (fingerprint,) in self._rows(asked, written(name))}

    def same_as(self, name: str) -> list[str]:
        """Names of the other adapters with the content that the file of this name had when it was read last."""
        found: dict[str, None] = {}
        asked = "select path, fingerprint, content from adapters where name = ?"
        for path, fingerprint, content in self._rows(asked, written(name)):
            same = self._rows(
                "select name from adapters where gone = 0 and path != ? and "
                "((fingerprint != '' and fingerprint = ?) or (content != '' and content = ?)) order by name",
                path, fingerprint, content,
            )  # fmt: skip
            found |= dict.fromkeys(other for (other,) in same)
        return [*found]

    def _cards(self, asked: str, *values: object) -> list[Card]:
        def work(connection: sqlite3.Connection) -> list[Card]:
            return [Card.from_json(text) for (text,) in connection.execute(asked, values)]

        return self._done(work)

    def _rows(self, asked: str, *values: object) -> list[tuple[Any, ...]]:
        return self._done(lambda connection: connection.execute(asked, values).fetchall())

    def _put(self, rows: list[tuple[object, ...]]) -> None:
        def work(connection: sqlite3.Connection) -> None:
            with connection:
                connection.executemany(_INSERT, rows)

        self._done(work)

    def _forget(self, paths: list[bytes]) -> None:
        """Mark files as gone, but for those that were gone before many others."""

        def work(connection: sqlite3.Connection) -> None:
            with connection:
                last = connection.execute("select coalesce(max(gone), 0) from adapters").fetchone()[0]
                connection.executemany("update adapters set gone = ? where path = ?", [(last + 1, p) for p in paths])
                connection.execute(_FORGET, (_REMEMBERED,))

        if paths:
            self._done(work)

    def _done(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Work with the database; with another one, if this one fails."""
        with self._lock:
            try:
                return work(self._connection)
            except (sqlite3.DatabaseError, ValueError) as error:
                broken = self._connection
                self._connection = self._instead(error)
                broken.close()
                for _ in self.refresh(self._files):
                    pass
                return work(self._connection)

    def _instead(self, error: Exception) -> sqlite3.Connection:
        """A database in place of one that fails: a new file where the old one is damaged, or one in memory.

        A damaged file is kept under another name, though all that it held can be read again.
        """
        if _damaged(error) and not self.note:
            with contextlib.suppress(sqlite3.DatabaseError, UnusableError, OSError):
                aside = self._place.with_suffix(".damaged" + self._place.suffix)
                os.replace(self._place, aside)
                for end in ("-wal", "-shm"):
                    Path(f"{self._place}{end}").unlink(missing_ok=True)
                self.note = f"The index of adapters was damaged ({error}), so it is made anew; see {aside.name}."
                return _connected(self._place, self._wait)
        self.note = (
            f"The index of adapters, {self._place}, can't be used now ({error}), so all files are read for this once."
        )
        return _new(sqlite3.connect(":memory:", check_same_thread=False))


@contextlib.contextmanager
def opened(place: Path, wait: float = WAIT) -> Iterator[Index]:
    """The index in a file, closed when the block ends; see :class:`Index`."""
    index = Index(place, wait)
    try:
        yield index
    finally:
        index.close()


class UnusableError(Exception):
    """A file isn't ours to use as an index; the text says why."""


def _connected(place: Path, wait: float) -> sqlite3.Connection:
    """
    Raises:
        UnusableError: it is another program's file, or of a newer version.
        sqlite3.DatabaseError: it is damaged, locked or can't be written.
        OSError: its folder can't be made.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(place, timeout=wait, check_same_thread=False)
    try:
        connection.execute("begin")  # another process may be making it: all of it is seen, or nothing
        owner, version, tables = (
            connection.execute(asked).fetchone()[0]
            for asked in ("pragma application_id", "pragma user_version", "select count(*) from sqlite_master")
        )
        connection.rollback()
        if owner != _OURS and tables:
            raise UnusableError("it is another program's file")
        if version > SCHEMA:
            raise UnusableError("a newer version of LoRA Workbench made it")
        if version < SCHEMA:
            _new(connection)
        connection.execute("pragma synchronous = normal")
    except BaseException:
        connection.close()
        raise
    return connection


def _new(connection: sqlite3.Connection) -> sqlite3.Connection:
    """Make the table, which several processes may do at once."""
    connection.execute("pragma journal_mode = wal")
    with connection:
        connection.execute("begin immediate")
        if connection.execute("pragma user_version").fetchone()[0] != SCHEMA:
            connection.execute("drop table if exists adapters")
            connection.execute(_TABLE)
            connection.execute(f"pragma application_id = {_OURS}")
            connection.execute(f"pragma user_version = {SCHEMA}")
    return connection


def _damaged(error: Exception) -> bool:
    """Whether it is the file's content that is wrong, rather than that it can't be reached."""
    unreachable = isinstance(error, (sqlite3.OperationalError, UnusableError, OSError))
    return not unreachable or "no such" in str(error)


def _row(path: Path, stamp: str, card: Card) -> tuple[object, ...]:
    searched = (card.family, " ".join(card.kinds), "\n".join(card.triggers), card.base, card.writer, card.notes)
    family, kinds, triggers, base, writer, notes = (written(text).casefold() for text in searched)
    name, called = written(card.name), written(card.name).casefold()
    content = card.hashes.get("modelspec.hash_sha256") or card.hashes.get("sshs_model_hash", "")
    return (
        os.fsencode(path), name, called, stamp, 0, "\n".join((called, triggers, base, family, notes)),
        family, f" {kinds} ", triggers, base, writer, notes, min(card.rank, _HIGHEST), card.fingerprint, content,
        card.to_json(),
    )  # fmt: skip


def written(name: str) -> str:
    """A text as databases take it: names of files may hold bytes that aren't UTF-8."""
    return name.encode("utf-8", "backslashreplace").decode()
