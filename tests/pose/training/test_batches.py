import dataclasses
import gc
import threading
from pathlib import Path

import pytest
import torch
from tiny_run import draw_people

from posebench.pose.crops.augment import SYNTH_AUGMENTATION
from posebench.pose.crops.dataset import PoseDataset
from posebench.pose.datasets.coco import SKELETON as COCO
from posebench.pose.errors import InputError
from posebench.pose.training.batches import EpochBatches, ahead


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    return draw_people(tmp_path_factory.mktemp("pictures")).people


def batches(people, workers=0):
    dataset = PoseDataset(people, COCO, (32, 24), (8, 6), 1.0, augment=SYNTH_AUGMENTATION, seed=7)
    return EpochBatches(dataset, batch_size=8, seed=7, workers=workers)


def test_an_epoch_visits_every_person_once_in_an_order_of_its_own(people):
    source = batches(people)
    orders = [torch.cat([batch["index"] for batch in source.epoch(epoch)]).tolist() for epoch in (0, 1)]
    assert [sorted(order) for order in orders] == [list(range(20))] * 2
    assert orders[0] != orders[1]
    assert len(source) == 3


def test_batches_do_not_depend_on_the_number_of_loader_processes(people):
    alone, helped = batches(people), batches(people, workers=2)
    images = []
    for epoch in (0, 1, 5):
        pairs = list(zip(alone.epoch(epoch), helped.epoch(epoch), strict=True))
        assert all(torch.equal(a[key], b[key]) for a, b in pairs for key in a)
        images.append(next(a["image"][a["index"] == 3] for a, _ in pairs if (a["index"] == 3).any()))
    assert not torch.equal(images[0], images[1]), "each epoch draws its own augmentation, in loader processes too"


def test_reading_data_leaves_the_global_random_numbers_alone(people):
    torch.manual_seed(0)
    list(batches(people).epoch(0))
    drawn = torch.rand(3)
    torch.manual_seed(0)
    assert torch.equal(drawn, torch.rand(3))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_missing_image_is_one_line_naming_it_whichever_process_found_it(people, workers):
    broken = dataclasses.replace(people[11], image_path=Path("/nowhere/missing.png"))
    message = ""
    try:  # not pytest.raises: it keeps the traceback, and with it the loader process
        list(batches([*people[:11], broken], workers).epoch(0))
    except InputError as error:
        message = str(error)
    assert "/nowhere/missing.png" in message and "\n" not in message


def test_batches_are_made_ahead_in_order_and_an_error_comes_where_it_belongs():
    made = []

    def numbers():
        for number in range(5):
            made.append(number)
            yield number
        raise InputError("the sixth is broken")

    taken, seen = [], ahead(numbers(), count=2)
    with pytest.raises(InputError, match="sixth"):
        for number in seen:
            taken.append(number)
            assert len(made) <= number + 1 + 3, "no more than what was asked for is kept"
    assert taken == [0, 1, 2, 3, 4]


def test_leaving_an_epoch_early_ends_the_thread_that_makes_its_batches(people):
    before = threading.active_count()
    epoch = batches(people).epoch(0)
    next(epoch)
    assert threading.active_count() == before + 1
    epoch.close()
    gc.collect()
    assert threading.active_count() == before
