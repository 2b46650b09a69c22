"""Counting without values: the short answers are torch's, and what repeats counts as if it ran."""

import pytest
import torch
from torch import nn

from posebench import create_model
from posebench.benchmark.counting import shapes
from posebench.benchmark.counting.bare import fresh_model
from posebench.benchmark.counting.flops import count_flops, flops_row
from posebench.benchmark.counting.meta import NeedsValuesError, copy_without_values, empty_parameters, run_for_shape
from posebench.pose.errors import InputError
from posebench.pose.models.blocks import Attention
from posebench.pose.reductions import reduction_names

aten = torch.ops.aten
x, y = torch.randn(2, 6, 8), torch.randn(2, 8, 5)
row, image = torch.randn(8), torch.randn(2, 4, 9, 7)
last = image.contiguous(memory_format=torch.channels_last)
index = torch.zeros(2, 3, 8, dtype=torch.int64)
NOT_IN_2_6 = pytest.mark.skipif(torch.__version__ < "2.7", reason="this torch multiplies other types without values")


@pytest.mark.parametrize(
    ("operator", "args"),
    [
        (aten.add.Tensor, (x, row)),
        (aten.add.Tensor, (x.transpose(1, 2), 2)),
        (aten.mul.Tensor, (x[:, :, :3], 0.5)),
        (aten.mul.Scalar, (x.transpose(0, 1)[:, :, 2:5], 0.5)),
        (aten.div.Tensor, (index, 2)),
        (aten.ge.Scalar, (x, 0)),
        (aten.where.self, (x > 0, x, row)),
        (aten.where.self, (x > 0, (x > 0).long().mT.contiguous().mT, index[:, :1])),
        (aten.add.Tensor, (x.transpose(1, 2), x.transpose(1, 2).contiguous())),
        (aten.div.Tensor, (x, x[:, :, :1].expand(x.shape))),
        (aten.relu.default, (x.half(),)),
        (aten.new_full.default, (x.mT, [3, 2], -1)),
        (aten.ones_like.default, (x.mT,)),
        (aten.clone.default, (x.transpose(1, 2),)),
        (aten.mm.default, (x[0], y[0])),
        (aten.bmm.default, (x, y)),
        (aten.addmm.default, (torch.randn(5), x[0], y[0])),
        (aten.addmm.default, (torch.randn(6, 1), x[0], y[0])),
        (aten._softmax.default, (x, 2, False)),
        (aten.native_layer_norm.default, (x, [8], row, row, 1e-5)),
        (aten.convolution.default, (image, torch.randn(6, 2, 3, 2), None, [2, 1], [1], [2, 1], False, [0], 2)),
        (aten.native_layer_norm.default, (x.transpose(0, 1), [8], row, row, 1e-5)),
        (aten.convolution.default, (image, torch.randn(4, 6, 3, 2), None, [2, 1], [1, 0], [1, 1], True, [0, 0], 1)),
        (aten.convolution.default, (image, torch.randn(4, 3, 3, 2), None, [2, 2], [1, 0], [2, 1], True, [1, 0], 2)),
        (aten.convolution.default, (last, torch.randn(6, 4, 3, 3), None, [2, 2], [1, 1], [1, 1], False, [0, 0], 1)),
        (aten.native_batch_norm.default, (last, *[torch.ones(4)] * 4, False, 0.1, 1e-5)),
        (aten.upsample_nearest2d.default, (image, [18, 14])),
        (aten.cat.default, ([x, x[:, :2]], 1)),
        (aten.cat.default, ([x, x], -1)),
        (aten.gather.default, (x, 1, index)),
        (aten.mean.dim, (x, [1, -1], True)),
        (aten.sum.dim_IntList, (x, [0])),
        (aten.amax.default, (x, [2])),
        (aten.max.dim, (x, 1)),
        (aten.linalg_vector_norm.default, (x, 2, [2], True)),
        (aten.sort.default, (x, 1, True)),
        (aten.scatter_add.default, (x, 1, index, x)),
        (aten.scatter.src, (index, 1, index, index)),
        (aten.stack.default, ([x, x.transpose(1, 2).contiguous().transpose(1, 2)], 2)),
        (aten.stack.default, ([x[:, ::2], x[:, ::2]], -1)),
    ],
    ids=lambda value: str(value) if isinstance(value, torch._ops.OpOverload) else "",
)
def test_what_comes_out_without_values_has_the_shape_type_and_strides_that_torch_gives(operator, args):
    without_values = torch.utils._pytree.tree_map(to_meta, args)
    assert shapes.answer(operator, without_values, {}) is not None  # torch's own answer would say nothing here
    found = run_for_shape(operator, without_values, {})
    expected = operator(*args)
    if operator is aten.native_layer_norm.default:  # nobody reads its statistics
        found, expected = found[0], expected[0]
    assert described(found) == described(expected)


@pytest.mark.parametrize(
    ("operator", "args"),
    [
        (aten.frexp.Tensor, (x,)),
        (aten.cat.default, ([x, x.double()], 1)),
        (aten.cat.default, ([torch.empty(0), x], 1)),
        (aten.amax.default, (index, [2])),
        (aten.max.dim, (index, 1)),
        (aten.sum.dim_IntList, (index, [1])),
        (aten._softmax.default, (x.mT, 2, False)),
        (aten.upsample_nearest2d.default, (last, [18, 14])),
        (aten.unsqueeze_.default, (torch.randn(8), 0)),
        (aten.transpose_.default, (torch.randn(1, 8), 0, 1)),
        (aten.__lshift__.Tensor, (index[:, :1], index[:, :, :1])),
    ],
    ids=lambda value: str(value) if isinstance(value, torch._ops.OpOverload) else "",
)
def test_what_has_no_short_answer_is_answered_by_torch(operator, args):
    found = run_for_shape(operator, torch.utils._pytree.tree_map(to_meta, args), {})
    assert described(found) == described(operator(*args))


@pytest.mark.parametrize(
    ("operator", "args"),
    [
        (aten.add.Tensor, (x, y)),
        (aten.mm.default, (x[0], x[0])),
        (aten.bmm.default, (x, y[:1])),
        pytest.param(aten.bmm.default, (x, y.double()), marks=NOT_IN_2_6),
        (aten.addmm.default, (torch.randn(3), x[0], y[0])),
        (aten.cat.default, ([x, y], 0)),
        (aten.stack.default, ([x, y],)),
        (aten.convolution.default, (image, torch.randn(6, 3, 3, 2), None, [1, 1], [0, 0], [1, 1], False, [0, 0], 1)),
        (aten.convolution.default, (image, torch.randn(6, 4, 3, 8), None, [1, 1], [0, 0], [1, 1], False, [0, 0], 1)),
    ],
    ids=lambda value: str(value) if isinstance(value, torch._ops.OpOverload) else "",
)
def test_what_does_not_fit_is_refused_as_by_torch(operator, args):
    for given in (args, torch.utils._pytree.tree_map(to_meta, args)):
        with pytest.raises((RuntimeError, AssertionError)):  # torch 2.6 asserts that what it stacks is alike
            run_for_shape(operator, given, {})


def test_what_is_changed_in_place_comes_back_without_being_run():
    values = torch.empty(2, 3, device="meta")
    places = torch.zeros(2, dtype=torch.int64, device="meta")
    assert run_for_shape(aten.put_.default, (values, places, values[0, :2]), {}) is values  # torch has no meta kernel


def test_a_tensor_with_values_stays_one_and_none_is_written_from_shapes():
    square, empty = torch.ones(3, 3), torch.empty(3, 3, device="meta")
    assert run_for_shape(aten.mm.out, (square, square), {"out": torch.empty(3, 3)}).sum() == 27
    assert run_for_shape(aten.mm.out, (square, square), {"out": empty}) is empty
    with pytest.raises(NeedsValuesError, match=r"aten\.mm\.out writes into a tensor with values"):
        run_for_shape(aten.mm.out, (empty, empty), {"out": square})


@pytest.mark.parametrize(
    "places",
    [lambda device: torch.arange(0, 5, 2, device=device), lambda device: torch.linspace(0, 4, 3, device=device)],
)
def test_places_keep_their_values_on_a_device_without_any(places):
    class Some(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(6, 4, device="meta")

        def forward(self, rows):
            return [self.layer(rows[int(place)]) for place in places(rows.device)]

    assert count_flops(Some(), torch.empty(5, 6, device="meta")).macs == 3 * 6 * 4


def test_what_repeats_runs_once_and_counts_each_time():
    bare = fresh_model("tmpose_tiny", {"mask": "tome", "mask_ratio": 0.5})
    first, ran = bare.count(), []
    bare.watch.seen = lambda operator, name, macs, arguments, output: ran.append(macs)
    assert bare.count() == first
    by_module = first.by_module()
    assert sum(ran) == by_module["transformer.patch_embedding"] + by_module["transformer.head"]
    assert first.total() > 5 * sum(ran)


def described(found):
    tensors = found if isinstance(found, tuple) else (found,)
    return [(tensor.shape, tensor.dtype, tensor.stride()) for tensor in tensors]


def to_meta(value):
    return value.to("meta") if isinstance(value, torch.Tensor) else value


def test_a_copy_without_values_shares_nothing_and_keeps_what_is_tied():
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    model.append(model[0])
    twin = copy_without_values(model)
    assert twin[0] is twin[2] and all(tensor.is_meta for tensor in (*twin.parameters(), *twin.buffers()))
    assert not any(tensor.is_meta for tensor in (*model.parameters(), *model.buffers()))


def test_a_model_built_without_values_keeps_its_constants_and_the_random_state():
    state = torch.get_rng_state()
    with empty_parameters():
        model = create_model("sparse_tokenpose_tiny")
    assert all(parameter.is_meta for name, parameter in model.named_parameters() if "position_table" not in name)
    assert torch.equal(model.transformer.joint_mask, create_model("sparse_tokenpose_tiny").transformer.joint_mask)
    torch.set_rng_state(state)
    with empty_parameters():
        create_model("tmpose_tiny")
    assert torch.equal(torch.get_rng_state(), state)


def rows():
    for name in ("tmpose_tiny", "sparse_tokenpose_tiny", "ppt_s"):
        for mask in reduction_names():
            for ratio in (0.3, 0.6, 0.657, 0.004) if mask != "none" else (None,):
                for execution in ("dense", "gather") if mask == "sparse" else (None,):
                    yield name, {"mask": mask, "mask_ratio": ratio, **({"execution": execution} if execution else {})}
    yield "tmpose_tiny", {"mask": "prune", "keep_ratio": (0.9, 0.5, 0.7)}
    yield "tmpose_tiny", {"mask": "tome", "merge": 5, "dataset": "mpii"}
    yield "sparse_tokenpose_tiny", {"as_published": True}


def test_a_row_of_a_grid_is_that_of_the_model_itself_whatever_was_counted_before():
    for name, options in rows():
        try:
            expected = flops_row(create_model(name, **options))
        except InputError as error:
            with pytest.raises(InputError) as caught:
                flops_row(name, **options)
            assert str(caught.value) == str(error)
            continue
        assert flops_row(name, **options) == expected


@pytest.mark.parametrize("mask", ["sparse", "sparse(execution=gather)", "semantic"])
def test_what_is_needed_is_what_the_masks_of_a_real_run_let_through(mask):
    model = create_model("sparse_tokenpose_tiny", mask=mask, mask_ratio=0.45).eval()
    counted, cut = count_flops(model).macs_masked, 0

    def look(module, args, kwargs):
        nonlocal cut
        found = args[1] if len(args) > 1 else kwargs.get("mask")
        if found is not None:
            tokens, dim = args[0].shape[1:]
            cut += int((~found.expand(1, 1, tokens, tokens)).sum()) * dim * (1 if kwargs.get("need_weights") else 2)

    for module in model.modules():
        if isinstance(module, Attention):
            module.register_forward_pre_hook(look, with_kwargs=True)
    with torch.no_grad():
        model(torch.randn(1, 3, *model.spec.input_size))
    assert counted == cut > 0
