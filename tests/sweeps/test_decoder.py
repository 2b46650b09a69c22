"""`sweep --decoder`: which decoder a sweep's ViTPose has, and that the usual one changes no key."""


import pytest

from posebench import create_model
from posebench.pose.errors import InputError
from posebench.pose.synth.write import write_synthetic
from posebench.pose.training.checkpoint import save_checkpoint
from posebench.sweeps.data import find_data
from posebench.sweeps.plan import make_plan
from posebench.sweeps.request import parse


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    write_synthetic(folder, train=2, val=2, seed=0, jobs=1)
    return folder


def plan(folder, **options):
    request = parse({"models": "vitpose_tiny", "masks": "tome", "ratios": "0.4", "data": str(folder)} | options)
    return make_plan(request, find_data(request))


def test_every_cell_has_the_decoder_that_is_asked_for(folder):
    usual = plan(folder)
    simple = plan(folder, decoder="simple")
    assert {cell.model.decoder for cell in (*simple.cells, *simple.bases.values())} == {"simple"}
    assert {cell.model.decoder for cell in usual.cells} == {None}, "keys of earlier sweeps hold"
    assert not {cell.key for cell in usual.cells} & {cell.key for cell in simple.cells}
    assert [cell.key for cell in plan(folder, decoder="classic").cells] == [cell.key for cell in usual.cells]


def test_weights_bring_their_decoder(folder, tmp_path):
    model = create_model("vitpose_tiny", decoder="simple", input_size=(96, 72))
    contents = {"model": model.state_dict(), "config": model.spec.create_arguments(), "epoch": 1, "recipe": {}}
    save_checkpoint(tmp_path / "simple.pt", contents)
    cells = plan(folder, weights=str(tmp_path / "simple.pt")).cells
    assert {cell.model.decoder for cell in cells} == {"simple"}


def test_a_decoder_that_is_none_or_has_no_place_is_one_line(folder):
    with pytest.raises(InputError, match="--decoder: 'deep' is not a decoder; give one of classic, simple"):
        parse({"decoder": "deep"})
    with pytest.raises(InputError, match="decoder 'simple' for tmpose_tiny"):
        plan(folder, models="tmpose_tiny", masks="uniform", decoder="simple")
