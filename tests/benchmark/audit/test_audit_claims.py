"""A file of claims is read with suspicion: what is wrong with it is one line that names the file and the row."""

import subprocess
import sys

import pytest
import yaml

from posebench.benchmark.audit.audit import audit
from posebench.benchmark.audit.claims import SHIPPED, read_claims
from posebench.benchmark.counting.flops import flops_row
from posebench.pose.errors import InputError

GOOD = {
    "id": "mine", "paper": "P", "source": "table 2", "statement": "S", "quantity": "gflops", "model": "tmpose_tiny",
    "unit": "G", "published": "0.10",
}  # fmt: skip
MASKED = {"baseline": "unmasked", "mask": "uniform", "mask_ratio": 0.5}


def written(tmp_path, *claims):
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(list(claims)))
    return path


@pytest.mark.parametrize(
    ("changes", "saying"),
    [
        ({"quantity": "gflop"}, "quantity 'gflop': did you mean 'gflops'"),
        ({"quantity": ["gflops"]}, "quantity list of 1: give one of"),
        ({"qantity": "gflops"}, "unknown key 'qantity': did you mean 'quantity'"),
        ({"statement": None}, "statement missing"),
        ({"statement": 7}, "statement 7: give text"),
        ({"statement": "\x1b[2J"}, "cannot be printed"),
        ({"statement": "x" * 500}, "at most 400"),
        ({"published": "about 5"}, "published 'about 5': give the figure as printed"),
        ({"published": float("nan")}, "published nan"),
        ({"published": True}, "published True"),
        ({"unit": "M"}, "unit 'M': gflops is in 'G'"),
        ({"mask": "semantc"}, "semantic"),
        ({"mask_ratio": 1.0, "mask": "random"}, "mask_ratio 1.0"),
        ({"mask_ratio": 0.4}, "give both, or neither"),
        ({"mask": "random"}, "give both, or neither"),
        ({"mask": "prune(keep_ratio=0.5)", "mask_ratio": 0.5}, "takes none"),
        ({"quantity": "reduction_gflops", "unit": "%"}, "needs a baseline"),
        ({"baseline": "unmasked"}, "of an unmasked model"),
        ({"dataset": "coc"}, "dataset 'coc': did you mean 'coco'"),
        ({"input_size": "big"}, "HEIGHTxWIDTH"),
        ({"figure_digits": -1}, "figure_digits -1"),
        ({1: 2}, "unknown key 1"),
    ],
)
def test_a_bad_row_is_named(tmp_path, changes, saying):
    path = written(tmp_path, {**GOOD, "id": "other"}, {**GOOD, **changes})
    with pytest.raises(InputError) as error:
        read_claims(path)
    assert str(error.value).startswith(f"{path}: row 2: ")
    assert saying in str(error.value)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    "content",
    [
        b"", b"- 5", b"a: 1", b"- [", b"\xff\xfe\xff", b"- id: !!python/object/apply:os.system [ls]", b"[" * 5000,
        b"- id: " + b"9" * 5000, b"x" * 1_000_001,
        # aliases that unfold to a thousand million values
        b"".join(b"- &a%d [%s]\n" % (i, b",".join([b"*a%d" % (i - 1) if i else b"1"] * 10)) for i in range(9)),
    ],
)  # fmt: skip
def test_a_file_that_is_no_list_of_claims_is_one_line(tmp_path, content):
    path = tmp_path / "mine.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        read_claims(path)
    assert str(path) in str(error.value) and len(str(error.value)) < 600


def test_an_id_belongs_to_one_claim(tmp_path):
    path = written(tmp_path, {**GOOD, "id": "tmpose-b-gflops"})
    with pytest.raises(InputError, match=r"row 1: id 'tmpose-b-gflops' is taken already by .*claims\.yaml: row"):
        read_claims(SHIPPED, path)


def test_a_baseline_that_is_rounded_to_nothing_names_the_row(tmp_path):
    claim = GOOD | {"quantity": "reduction_gflops", "unit": "%", "figure_digits": 0} | MASKED
    with pytest.raises(InputError, match="row 1: figure_digits 0: the baseline's gflops is 0 then"):
        audit(read_claims(written(tmp_path, claim)), latency=False)


def test_an_input_size_that_the_model_cannot_have_names_the_row(tmp_path):
    path = written(tmp_path, {**GOOD, "input_size": "97x72"})
    with pytest.raises(InputError, match="row 1: input size 97x72"):
        audit(read_claims(path), latency=False)


PLAIN = "plain_vit(dim=48, depth=2, heads=2{})"


@pytest.mark.parametrize(
    ("more", "changes", "saying"),
    [
        ("", {"quantity": "gflops_t"}, "no gflops_t"),
        ("", {"quantity": "gflops_t_needed"}, "no gflops_t"),
        ("", {"quantity": "reduction_gflops", "unit": "%"} | MASKED, "no baseline"),
        ("", {"quantity": "speedup_transformer", "unit": "x"} | MASKED, "no baseline"),
        ("", {"baseline": "tmpose_tiny"}, "no baseline"),
        (", patch=65", {}, "larger than the images, 64x64"),
        (", patch=8|9", {}, "patch is one number"),
        (", mlp_ratio=²", {}, "mlp_ratio '²': give whole numbers"),
        (", drop_before=2, left=9", {}, "drop_before below it"),
        (", depth=9999", {}, "depth"),
    ],
)
def test_what_a_plain_vit_is_not_is_told_and_the_row_named(tmp_path, more, changes, saying):
    claim = {**GOOD, "model": PLAIN.format(more), "input_size": "64x64", **changes}
    with pytest.raises(InputError, match=r"row 1: ") as error:
        audit(read_claims(written(tmp_path, claim)), latency=False)
    assert saying in str(error.value) and len(str(error.value).splitlines()) == 1


def test_a_mask_whose_parameters_say_how_much_it_leaves_takes_no_ratio(tmp_path):
    claims = read_claims(written(tmp_path, GOOD | {"mask": "prune(keep_ratio=0.5)", "baseline": "unmasked"}))
    (row,) = audit(claims, latency=False)
    assert row["exact"] == flops_row("tmpose_tiny", mask="prune", mask_ratio=0.875)["gflops"]


def test_a_printed_figure_keeps_its_digits(tmp_path):
    (claim,) = read_claims(written(tmp_path, {**GOOD, "published": "1.00"}))
    assert (claim.published, claim.decimals) == ("1.00", 2)


def posebench(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "posebench", *map(str, arguments)], capture_output=True, text=True, timeout=300
    )


def test_the_command_line_says_it_in_one_line_and_touches_no_file(tmp_path):
    path = written(tmp_path, {**GOOD, "published": "lots"})
    page = tmp_path / "page.html"
    result = posebench("audit", "--claims", path, "--no-latency", "--html", page)
    assert result.returncode == 2 and "Traceback" not in result.stderr
    assert result.stderr.strip().splitlines()[-1].startswith(f"posebench: error: {path}: row 1: published 'lots'")
    assert not page.exists()
    page.write_text("mine")
    result = posebench("audit", "--no-latency", "--html", page)
    assert result.returncode == 2 and "--force" in result.stderr and page.read_text() == "mine"
