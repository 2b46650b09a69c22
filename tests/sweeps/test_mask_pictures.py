"""Pictures of what a mask does to the tokens: merged groups in one colour, and nothing where no token goes."""

import re
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from small_sweeps import from_scratch

from posebench import create_model
from posebench.pose.datasets import DATASETS
from posebench.pose.errors import InputError
from posebench.pose.evaluation.draw import OUTLINE, show_merged
from posebench.pose.people.folder import load_people
from posebench.sweeps.cell_result import CellResult, write_cell_result
from posebench.sweeps.pictures import draw_masks, mask_sheet
from posebench.sweeps.request import SweepRequest
from posebench.sweeps.store import SweepStore
from posebench.sweeps.work import build_model

GRID, CELL = (4, 3), 16


@pytest.fixture
def crop():
    return np.random.default_rng(0).integers(0, 256, (GRID[0] * CELL, GRID[1] * CELL, 3), dtype=np.uint8)


def inner(picture, cell):
    """The pixels of a grid cell without its first row and column, where a line may be."""
    row, column = divmod(cell, GRID[1])
    return picture[row * CELL + 1 : (row + 1) * CELL, column * CELL + 1 : (column + 1) * CELL].reshape(-1, 3)


def cell_pixels(picture, cell):
    row, column = divmod(cell, GRID[1])
    return picture[row * CELL : (row + 1) * CELL, column * CELL : (column + 1) * CELL].reshape(-1, 3)


def test_the_cells_of_a_merged_token_have_their_common_mean_colour(crop):
    holder = np.array([0, 0, 1, 0, 2, 1, 2, 2, 3, 2, 2, 0])
    picture = show_merged(crop, holder, GRID)
    for token in range(4):
        cells = np.flatnonzero(holder == token)
        mean = np.concatenate([cell_pixels(crop, cell) for cell in cells]).mean(axis=0)
        for cell in cells:
            assert np.abs(inner(picture, cell) - mean).max() <= 0.5


def test_lines_part_different_tokens_and_only_those(crop):
    holder = np.array([0, 0, 1] * 4)
    picture = show_merged(crop, holder, GRID)
    line = (picture == OUTLINE).all(axis=2)
    assert line[:, 2 * CELL].all() and line.sum() == GRID[0] * CELL


def test_a_sheet_of_tome_shows_groups_and_one_of_a_mask_shows_the_picture(people):
    chosen = load_people(people, "val", input_size=(96, 72)).people[:2]
    torch.manual_seed(0)
    sheets = [
        mask_sheet(create_model("tmpose_tiny", mask=mask, mask_ratio=0.5), chosen, DATASETS["coco"].skeleton)
        for mask in ("tome", "random")
    ]
    assert sheets[0].shape == sheets[1].shape
    colours = [len(np.unique(sheet.reshape(-1, 3), axis=0)) for sheet in sheets]
    assert colours[0] < colours[1] / 3


def test_there_is_a_sheet_for_each_mask_that_takes_tokens_away_and_none_for_elastic_cells(people, tmp_path):
    request = SweepRequest(masks=("tome", "sparse", "random"), ratios=(0.25, 0.5), elastic=True)
    cells = from_scratch(request)
    store = SweepStore(tmp_path)
    for cell in cells:
        write_cell_result(store.cell_dir(cell.key), CellResult())
        if not cell.is_elastic:
            torch.save(build_model(cell.model).state_dict(), store.cell_dir(cell.key) / "last.pt")
    plan = SimpleNamespace(request=request, cells=cells, data=SimpleNamespace(root=people, layout="coco"))
    files = draw_masks(store, plan)
    names = [f"{mask}_{ratio}.png" for mask in ("tome", "random") for ratio in (0.25, 0.5)]
    assert [file.name for file in files] == names
    assert sorted(path.name for path in (tmp_path / "plots" / "masks").iterdir()) == sorted(names)
    assert all(cv2.imread(str(file)) is not None for file in files)


def test_a_model_whose_weights_are_gone_is_told_with_their_file(people, tmp_path):
    request = SweepRequest(masks=("random",), ratios=(0.5,))
    cells, store = from_scratch(request), SweepStore(tmp_path)
    for cell in cells:
        write_cell_result(store.cell_dir(cell.key), CellResult())
    plan = SimpleNamespace(request=request, cells=cells, data=SimpleNamespace(root=people))
    said = f"{store.cell_dir(cells[1].key)}/last.pt: the weights of tmpose_tiny random 0.5 seed 0 are gone"
    with pytest.raises(InputError, match=re.escape(said)):
        draw_masks(store, plan)
