"""Regularization sets: captions of the class, and a ratio that hides nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lora_workbench.engine.core.errors import CaptionError, DatasetError
from lora_workbench.engine.data.dataset import TriggerWord
from lora_workbench.engine.data.loading import dataset_from_images
from lora_workbench.engine.data.regularization import Ratio, class_prompts, prompts_in_vain, regularization_set
from PIL import Image

TRIGGER = TriggerWord(word="zwx", class_word="dog", template="a photo of a {trigger} {class}")


def pictures(*captions: str | None):
    return dataset_from_images([Image.new("RGB", (8, 8))] * len(captions), captions, "dogs")


def test_the_class_is_called_without_the_trigger_word():
    assert class_prompts((), [TRIGGER]) == ("a photo of a dog",)
    assert class_prompts(("a dog", "a puppy"), [TRIGGER]) == ("a dog", "a puppy")
    assert class_prompts((), [TriggerWord(word="zwx")]) == class_prompts((), []) == ()


def test_existing_captions_are_kept_and_the_others_get_prompts_in_turn():
    made = regularization_set([pictures("a wolf", None), pictures(None)], ("one", "two"), [TRIGGER])
    assert [record.caption for record in made] == ["a wolf", "two", "one"]


def test_prompts_that_no_picture_got_are_told():
    prompts = ("a dog", "a bird")
    assert prompts_in_vain(prompts, regularization_set([pictures(None, None)], prompts, [])) == ""
    few = prompts_in_vain(prompts, regularization_set([pictures(None, "a cat")], prompts, []))
    assert "fewer pictures" in few and few.endswith(": a bird")
    none = prompts_in_vain(prompts, regularization_set([pictures("a cat")], prompts, []))
    assert none.endswith("as all have captions: a dog, a bird")


def test_what_would_undo_a_training_is_refused():
    with pytest.raises(CaptionError, match=r"'zwx' is in the captions of 1 class pictures: image_0002"):
        regularization_set([pictures("a dog", "a ZWX dog")], (), [TRIGGER])
    with pytest.raises(CaptionError, match="1 class pictures have no caption"):
        regularization_set([pictures("a dog", None)], (), [TRIGGER])
    with pytest.raises(DatasetError, match="no regularization pictures"):
        regularization_set([], ("a dog",), [TRIGGER])


NUMBERS = st.integers(1, 300)


@given(NUMBERS, NUMBERS, st.integers(1, 8), st.integers(1, 8), st.integers(1, 2000))
def test_every_class_picture_is_accounted_for(subject, class_pictures, batch, prior_batch, batches):
    ratio = Ratio(
        subject=subject, class_pictures=class_pictures, batch_size=batch, prior_batch_size=prior_batch, batches=batches
    )
    seen = {position % class_pictures for position in range(batches * prior_batch)}
    assert ratio.unseen == class_pictures - len(seen)
    words = ratio.in_words()
    assert ("never seen" in words) == (len(seen) < class_pictures)
    assert f"{class_pictures} class pictures for {subject} of the subject" in words


def test_the_ratio_in_words():
    ratio = Ratio(subject=16, class_pictures=50, batch_size=8, prior_batch_size=4, batches=400)
    assert ratio.in_words() == (
        "50 class pictures for 16 of the subject. Each batch has 4 of the class and 8 of the subject, so an epoch of "
        "16 sees 8 of the class (0.5 to 1). The others follow in later epochs, all within 6.25 epochs; none is "
        "dropped. The run sees each about 32 times."
    )
