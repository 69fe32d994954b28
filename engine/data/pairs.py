"""Pairs: data sets for edit models, of pictures before editing and their results, with the instruction as caption."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ..core.errors import DatasetError
from ..core.words import first_of
from . import limits
from .caption_tables import PAIRS, parse_table
from .captions_on_disk import PictureNames, decode_text, read_captions, with_entry
from .dataset import Dataset, ImageRecord, Note, Skipped
from .listing import Listing, list_files
from .loading import OnUnreadable, read_pictures, unreadable_pictures, with_mask_files
from .names import stem
from .pairing import Pairing, paired, paired_with
from .references import Reference
from .sources import ImageSource, RenamedSource
from .trees import FileTree, existing, open_tree

FORMS = (
    "two folders such as control and target, with equal file names; fox_start.png with fox_end.png; or metadata.jsonl "
    "with file_name and control_path"
)
_NOT_THE_RESULT = "it belongs to pictures before editing; the instruction belongs to the result"


def load_pairs(
    path: str | Path,
    references: str | Path | None = None,
    *,
    on_unreadable: OnUnreadable = "skip",
    instruction: str = "",
) -> Dataset:
    """The pairs in a folder or zip archive, or in two of them.

    The records are the results, with the pictures before editing as their references, and the instructions as their
    captions. Repeats, masks, captions and what is left out are those of ``load_dataset``. Every picture without a
    partner is named in ``skipped``.

    Args:
        path: the folder or archive with the pairs, as in ``FORMS``; or that of the results alone.
        references: the folder or archive of the pictures before editing, called as the results but for the endings.
        on_unreadable: ``skip`` pairs of which a picture can't be read and name them, or ``refuse`` the data set.
        instruction: of pairs that have none.

    Raises:
        DatasetError: as for ``load_dataset``, or there is no pair.
    """
    path, other = existing(path), None if references is None else existing(references)
    with contextlib.ExitStack() as stack:
        tree = stack.enter_context(open_tree(path))
        if other is None:
            before, pairing = tree, _paired(tree)
        else:
            before = _Beside(other.resolve().name, stack.enter_context(open_tree(other)))
            pairing = _paired_with(tree, before)
        if not pairing.references:
            raise _no_pairs(path, other, pairing)
        dataset, unreadable = _read(tree, before, pairing)
    if unreadable and (on_unreadable == "refuse" or not dataset.records):
        raise unreadable_pictures(path, unreadable, 2 * len(pairing.references))
    records = tuple(replace(r, caption=r.caption or instruction.strip() or None) for r in dataset)
    name = path.resolve().name if path.is_dir() else path.stem
    if instruction.strip() and all(record.caption for record in dataset):
        idle = Note(name=name, text="the instruction that was entered isn't used: all pairs have their own")
        return replace(dataset, name=name, records=records, notes=(*dataset.notes, idle))
    return replace(dataset, name=name, records=records)


class _Beside:
    """The tree of the pictures before editing, whose names get that of their folder in front."""

    def __init__(self, folder: str, tree: FileTree) -> None:
        self.folder, self.tree = folder, tree
        self._start = f"{folder}/"

    def names(self) -> list[str]:
        return [self._start + name for name in self.tree.names()]

    def hidden(self) -> list[str]:
        return [self._start + name for name in self.tree.hidden()]

    def remarks(self) -> list[Note]:
        return [replace(note, name=self._start + note.name) for note in self.tree.remarks()]

    def head(self, name: str) -> bytes:
        return self.tree.head(name.removeprefix(self._start))

    def read(self, name: str, limit: int) -> bytes:
        return self.tree.read(name.removeprefix(self._start), limit)

    def source(self, name: str) -> ImageSource:
        return RenamedSource(self.tree.source(name.removeprefix(self._start)), name)


def _paired(tree: FileTree) -> Pairing:
    listing = list_files(tree.names(), tree.head, pairs=True)
    known, skipped = _from_tables(tree, listing)
    found = paired(listing.pictures, known)
    found.skipped += skipped
    return found


def _paired_with(tree: FileTree, before: _Beside) -> Pairing:
    listing = list_files(before.tree.names(), before.tree.head)
    found = paired_with(list_files(tree.names(), tree.head).pictures, listing.pictures, before.folder)
    unused = [
        *listing.skipped,
        *(Skipped(name=n, reason=_NOT_THE_RESULT) for n in (*listing.captions, *listing.tables)),
    ]
    found.skipped += [replace(file, name=f"{before.folder}/{file.name}") for file in unused]
    return found


def _read(tree: FileTree, before: FileTree, pairing: Pairing) -> tuple[Dataset, list[Skipped]]:
    """The pairs as a data set without a name, and the pictures that can't be read."""
    originals, notes, damaged = _references(before, pairing)
    # Without the pictures before editing, masks and captions can only be those of the results.
    listing = list_files([name for name in tree.names() if name not in originals], tree.head)
    pictures, more_notes, unreadable = read_pictures(tree, [n for n in listing.pictures if n in pairing.references])
    records, alone = _joined(pictures, originals, pairing)
    records, mask_notes, unusable = with_mask_files(tree, listing, records)
    captions, unused = read_captions(tree, listing, {r.name for r in records}, PAIRS, pairing.also_called)
    hidden = {name: None for place in (tree, before) for name in place.hidden()}
    dataset = Dataset(
        name="",
        records=tuple(with_entry(record, captions.get(record.name)) for record in records),
        skipped=(
            *pairing.skipped, *damaged, *unreadable, *alone, *listing.skipped, *_explained(unused, pairing), *unusable,
            *(Skipped(name=name, reason="it is hidden, or belongs to the system") for name in hidden),
        ),
        notes=(*tree.remarks(), *notes, *more_notes, *mask_notes, *_remarks(records)),
    )  # fmt: skip
    return dataset, [*damaged, *unreadable]


def _from_tables(tree: FileTree, listing: Listing) -> tuple[dict[str, str], list[Skipped]]:
    """The pairs in tables, result -> reference, and what can't be used of them. Unusable tables are left to
    ``read_captions``, which tells what is wrong with them."""
    names = PictureNames(listing.pictures)
    known: dict[str, str] = {}
    skipped: list[Skipped] = []
    for table in listing.tables:
        try:
            text = decode_text(tree.read(table, limits.MAX_TABLE_BYTES), table)
            entries = parse_table(text, table, PAIRS)
        except DatasetError:
            continue
        for entry in entries:
            found = [(path, names.named(path)) for path in entry.references]
            skipped += [
                Skipped(name=entry.origin, reason=f"there is no picture {path}") for path, named in found if not named
            ]
            there = [named[0] for _, named in found if named]
            for result in names.named(entry.picture) if there else ():
                known.setdefault(result, there[0])
            skipped += [
                Skipped(name=f"{entry.origin}: {name}", reason=f"a pair has one picture before editing, {there[0]}")
                for name in there[1:]
            ]
    return known, skipped


def _references(before: FileTree, pairing: Pairing) -> tuple[dict[str, Reference], list[Note], list[Skipped]]:
    """The pictures before editing by name, notes about them, and those that can't be read."""
    records, notes, unreadable = read_pictures(before, list(dict.fromkeys(pairing.references.values())))
    found = {
        r.name: Reference(source=r.source, content_hash=r.content_hash, width=r.width, height=r.height) for r in records
    }
    return found, notes, unreadable


def _joined(
    pictures: Sequence[ImageRecord], originals: Mapping[str, Reference], pairing: Pairing
) -> tuple[list[ImageRecord], list[Skipped]]:
    """The pairs, and the pictures whose partner can't be used."""
    records, skipped = [], []
    for picture in pictures:
        name = pairing.references[picture.name]
        if name in originals:
            records.append(replace(picture, reference=originals[name]))
        else:
            skipped.append(Skipped(name=picture.name, reason=f"the picture before editing, {name}, can't be used"))
    used = {record.name for record in records}
    left = {name: result for result, name in pairing.references.items() if result not in used and name in originals}
    alone = [name for name in left if name not in {record.reference.name for record in records if record.reference}]
    skipped += [Skipped(name=name, reason=f"its result, {left[name]}, can't be used") for name in alone]
    return records, skipped


def _explained(unused: Sequence[Skipped], pairing: Pairing) -> list[Skipped]:
    """Captions that weren't used, with a better reason for those of pictures before editing."""
    before = {stem(name).casefold() for name in pairing.references.values()}
    return [replace(file, reason=_NOT_THE_RESULT) if stem(file.name).casefold() in before else file for file in unused]


def _remarks(records: Sequence[ImageRecord]) -> list[Note]:
    """References with other aspect ratios than their results, or with the same pixels."""
    notes = []
    for record in records:
        reference = record.reference
        if reference and not reference.fits((record.width, record.height)):
            text = "its shape isn't that of its result, so only its middle is used, in that shape"
            notes.append(Note(name=reference.name, text=text))
        if reference and reference.content_hash == record.content_hash:
            notes.append(Note(name=record.name, text="it is the same file before and after editing"))
    return notes


def _no_pairs(path: Path, references: Path | None, pairing: Pairing) -> DatasetError:
    where = f"{path} and {references} have" if references else f"{path} has"
    alone = [f"{file.name}: {file.reason}" for file in pairing.skipped]
    return DatasetError(
        f"{where} no pairs of pictures.\n  " + (first_of(alone, 10, "\n  ") or "There are no pictures."),
        expected=FORMS,
        hint="rename the files or folders; or fill in both path, with the results, and references.",
    )
