"""Mirroring is refused where it would teach something wrong, with the reason."""

from __future__ import annotations

import pytest
from lora_workbench.engine.core.errors import DatasetError
from lora_workbench.engine.data.augmenting import augmented
from lora_workbench.engine.data.dataset import Dataset, TriggerWord
from lora_workbench.engine.data.loading import dataset_from_images
from lora_workbench.engine.data.views import Augmentation
from PIL import Image

PLAIN = Augmentation()


def dataset(*captions: str | None) -> Dataset:
    return dataset_from_images([Image.new("RGB", (8, 8))] * len(captions), captions, "x")


@pytest.mark.parametrize(
    ("captions", "shows", "said"),
    [
        (("a dog", "a Portrait of her"), "unknown", r"'portrait' \(image_0002.png\); no face is symmetric"),
        (("a street sign",), "unknown", "letters and logos mirrored"),
        (("a cat on the left",), "unknown", "left and right in the captions would be wrong"),
        (("a cat on the left",), "neither", "left and right in the captions would be wrong"),
        (("一只狐狸看着左边",), "neither", "'左'.*left and right in the captions would be wrong"),
        (("雪の中の狐、右を見ている",), "unknown", "'右'"),
        (("a dog",), "faces", "you said that the pictures show faces"),
        (("a dog",), "text or logos", "you said that the pictures show text or logos"),
        ((None, None), "unknown", "no captions that tell"),
    ],
)
def test_mirroring_is_refused_with_the_reason(captions, shows, said):
    with pytest.raises(DatasetError, match=said):
        augmented(dataset(*captions), PLAIN, flip="yes", shows=shows)
    assert augmented(dataset(*captions), PLAIN, flip="yes, even so", shows=shows).records[0].augmentation.flip


@pytest.mark.parametrize(
    ("captions", "shows"),
    [(("a dog", None), "unknown"), (("a signal, a manatee, interfaces",), "unknown"), (("a portrait",), "neither")],
)
def test_mirroring_is_done_where_nothing_speaks_against_it(captions, shows):
    made = augmented(dataset(*captions), PLAIN, flip="yes", shows=shows)
    assert all(record.augmentation == Augmentation(flip=True) for record in made)


def test_the_class_word_counts():
    trigger = TriggerWord(word="zwx", class_word="woman")
    data = dataset("zwx in the garden")
    augmented(data, PLAIN, flip="yes", shows="unknown")
    with pytest.raises(DatasetError, match=r"'woman' \(the class word\)"):
        augmented(Dataset(name="x", records=data.records, trigger=trigger), PLAIN, flip="yes", shows="unknown")


def test_it_is_part_of_the_identity_only_if_it_changes_something():
    data = dataset("a dog")
    assert augmented(data, PLAIN, flip="no", shows="unknown").content_hash == data.content_hash
    changed = [
        augmented(data, augmentation, flip=flip, shows="unknown").content_hash
        for augmentation, flip in [(PLAIN, "yes"), (Augmentation(crop=0.1), "no"), (Augmentation(crop=0.2), "no")]
    ]
    assert len({data.content_hash, *changed}) == 4


def test_unknown_answers_are_refused():
    with pytest.raises(DatasetError, match="maybe"):
        augmented(dataset("a dog"), PLAIN, flip="maybe", shows="unknown")
