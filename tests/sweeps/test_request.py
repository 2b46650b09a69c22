"""A sweep's options are checked one by one, and a mistake gets one line that names option, value and remedy."""

import pytest

from posebench.pose.errors import InputError
from posebench.sweeps.request import SweepRequest, changed, parse


def test_nothing_given_means_the_embedded_default():
    assert parse({}) == SweepRequest()


def test_comma_separated_text_and_lists_mean_the_same():
    text = parse({"masks": "semantic, random", "ratios": "0.2,0.40", "seeds": "0,2", "batch_sizes": "1,8"})
    lists = parse({"masks": ["semantic", "random"], "ratios": [0.2, 0.4], "seeds": (0, 2), "batch_sizes": [1, 8]})
    assert text == lists
    assert text.ratios == (0.2, 0.4) and text.seeds == (0, 2)


def test_a_request_is_changed_as_if_all_had_been_asked_for_at_once():
    assert changed(parse({"budgets": "0.021"}), {"out": "o"}) == parse({"budgets": "0.021", "out": "o"})
    assert changed(parse({"seeds": "1,2"}), {"devices": "0", "mask": "random"}) == parse(
        {"seeds": "1,2", "devices": "0", "masks": "random"}
    )
    with pytest.raises(InputError, match="contradict"):
        changed(parse({"budgets": "0.021"}), {"ratios": "0.2"})


def test_repeated_values_count_once_and_keep_their_order():
    assert parse({"ratios": "0.6,0.2,0.6", "seeds": "3,1,3"}).ratios == (0.6, 0.2)


@pytest.mark.parametrize(
    ("values", "kind", "numbers"),
    [
        ({}, "cpu", None),
        ({"device": "cuda"}, "cuda", None),
        ({"device": "cuda:2"}, "cuda:2", (2,)),
        ({"devices": "all"}, "cuda", None),
        ({"devices": "cpu"}, "cpu", None),
        ({"devices": "0-2, 5"}, "cuda", (0, 1, 2, 5)),
        ({"devices": [3, 1]}, "cuda", (3, 1)),
        ({"devices": 4}, "cuda", (4,)),
    ],
)
def test_devices_say_which_and_of_what_kind(values, kind, numbers):
    request = parse(values)
    assert (request.device, request.device_numbers) == (kind, numbers)


def test_the_options_of_an_executor_come_as_a_mapping_or_as_pairs(tmp_path):
    (tmp_path / "sweep.yaml").write_text("executor: builtins:print\nexecutor-options: {walltime: 1-00, gpus: 2}\n")
    pairs = {"executor": "builtins:print", "executor_options": ["walltime=1-00", "gpus=2"]}
    assert parse({}, tmp_path / "sweep.yaml") == parse(pairs)
    assert dict(parse(pairs).executor_options) == {"walltime": "1-00", "gpus": "2"}


def test_the_command_line_goes_over_the_file(tmp_path):
    file = tmp_path / "sweep.yaml"
    file.write_text("mask: [random, block]\nratios: 0.5\nbatch-sizes: [1, 4]\nepochs: 7\n")
    spec = parse({"masks": "norm", "epochs": None}, file)
    assert spec.masks == ("norm",)
    assert (spec.ratios, spec.batch_sizes, spec.epochs) == ((0.5,), (1, 4), 7)


@pytest.mark.parametrize(
    ("values", "parts"),
    [
        ({"ratios": "1.0"}, ["--ratios", "1.0", "below 1"]),
        ({"ratios": "0.2,abc"}, ["--ratios", "'abc'"]),
        ({"ratios": "-0.1"}, ["--ratios", "-0.1"]),
        ({"ratios": "nan"}, ["--ratios", "nan"]),
        ({"ratios": [True]}, ["--ratios", "True"]),
        ({"ratios": ""}, ["--ratios", "empty"]),
        ({"ratios": "0.2,,0.4"}, ["--ratios", "''"]),
        ({"masks": "semantc"}, ["--mask", "semantc", "semantic"]),
        ({"masks": "block,first", "as_published": True}, ["--as-published", "block,first"]),
        ({"masks": "prunne"}, ["--mask", "prunne", "prune"]),
        (
            {"models": "sparse_tokenpose_tiny", "masks": "sparse", "as_published": True},
            ["--as-published", "--mask sparse", "sparse_tokenpose_tiny"],
        ),
        ({"models": "tmpose_tinny"}, ["--model", "tmpose_tinny", "tmpose_tiny"]),
        ({"seeds": "1.5"}, ["--seeds", "1.5", "whole number"]),
        ({"seeds": "-1"}, ["--seeds", "-1"]),
        ({"epochs": "0"}, ["--epochs", "'0'", "from 1 to 1000000"]),
        ({"batch_sizes": "0"}, ["--batch-sizes"]),
        ({"device": "gpu"}, ["--device", "gpu", "cuda"]),
        ({"input_size": "256"}, ["--input-size", "256x192"]),
        ({"devices": "0;2"}, ["--devices", "0;2", "0-7"]),
        ({"devices": "0-2,1"}, ["--devices", "twice"]),
        ({"devices": "3-1"}, ["--devices", "none"]),
        ({"devices": "0,1", "device": "cpu"}, ["--device cpu", "--devices 0,1", "contradict"]),
        ({"executor": "slum"}, ["--executor", "slum", "local"]),
        ({"executor_options": ["gpus"]}, ["--executor-option", "gpus", "KEY=VALUE"]),
        ({"executor_options": ["gpus=1"]}, ["--executor-option gpus", "local has no such option"]),
        ({"profile_only": True, "elastic": True}, ["--profile-only", "--elastic"]),
        ({"mask_rations": "0.2"}, ["mask_rations"]),
        ({"rations": "0.2"}, ["rations", "'ratios'"]),
        ({"amp": True}, ["--amp", "cuda"]),
        ({"margin": "0"}, ["--margin", "'0'", "such as 0.01"]),
        ({"margin": "1 AP"}, ["--margin", "'1 AP'"]),
        ({"weights": ["a.pt"], "training": "scratch"}, ["--weights", "--from-scratch"]),
        ({"weights": ["a.pt"], "models": "tmpose_tiny,tmpose_b"}, ["a.pt", "NAME=FILE"]),
        ({"weights": ["tmpose_b=a.pt"]}, ["tmpose_b", "not in this sweep"]),
        ({"weights": ["a.pt", "tmpose_tiny=b.pt"]}, ["--weights tmpose_tiny=b.pt", "a.pt already"]),
        (
            {"executor": "builtins:print", "executor_options": ["gpus=1", "gpus=2"]},
            ["--executor-option: gpus is given as 1 and as 2"],
        ),
    ],
)
def test_a_mistake_names_the_option_the_value_and_what_would_be_right(values, parts):
    with pytest.raises(InputError) as error:
        parse(values)
    message = str(error.value)
    assert "\n" not in message
    for part in parts:
        assert part in message


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("ratioes: [0.2]\n", ["ratioes", "'ratios'"]),
        ("- semantic\n", ["list"]),
        ("mask: [semantic\n", ["not valid YAML"]),
        ("epochs: yes\n", ["epochs", "True"]),
        ("latency: 3\n", ["latency", "neither true nor false"]),
        ("ratios: [.inf]\n", ["ratios", "inf"]),
        ("model: [[tmpose_tiny]]\n", ["model", "unknown model"]),
        ("weights: [{a: b}]\n", ["weights", "not a path"]),
        ("seeds: &a [0, 1]\nbatch-sizes: *a\n", ["alias"]),
        ("mask: " + 5000 * "[" + "\n", ["not valid YAML"]),
        ("data: 2001-99-99\n", ["not valid YAML"]),
        ("seeds: " + 9000 * "9" + "\n", ["not valid YAML"]),
        (f"seeds: {list(range(1001))}\n", ["seeds", "1001 values", "at most 1000"]),
        ("#" * 100_001, ["larger than 100,000 bytes"]),
    ],
)
def test_a_mistake_in_the_file_names_the_file(tmp_path, text, parts):
    file = tmp_path / "sweep.yaml"
    file.write_text(text)
    with pytest.raises(InputError) as error:
        parse({}, file)
    for part in [str(file), *parts]:
        assert part in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.yaml"):
        parse({}, tmp_path / "nowhere.yaml")


def test_weights_belong_to_the_only_model_or_to_the_named_one():
    assert parse({"weights": ["w.pt"]}).weights_of("tmpose_tiny") == "w.pt"
    spec = parse({"models": "tmpose_tiny,tmpose_b", "weights": ["tmpose_b=b.pt"]})
    assert spec.weights_of("tmpose_b") == "b.pt" and spec.weights_of("tmpose_tiny") is None


def test_a_weights_file_may_have_an_equals_sign_in_its_name(tmp_path):
    file = tmp_path / "lr=0.1.pt"
    file.write_bytes(b"")
    assert parse({"weights": [str(file)]}).weights_of("tmpose_tiny") == str(file)
