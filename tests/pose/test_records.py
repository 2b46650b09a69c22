"""Records go to plain JSON and come back the same; what another version wrote is refused by name."""

import json
from dataclasses import dataclass, field

import pytest

from posebench.pose.errors import InputError
from posebench.pose.records import digest, from_plain, to_plain, unsaid


@dataclass(frozen=True)
class Part:
    sizes: tuple[int, ...]
    options: tuple[tuple[str, object], ...] = ()


@dataclass(frozen=True)
class Whole:
    part: Part
    parts: tuple[Part, ...]
    maybe: Part | None = None
    counts: dict[str, float] = field(default_factory=dict)


WHOLE = Whole(Part((1, 2), (("layers", (3, 6)), ("r", 8))), (Part((3,)), Part(())), None, {"a": 0.1 + 0.2})


def test_a_record_comes_back_from_the_text_of_its_file():
    read = from_plain(Whole, json.loads(json.dumps(to_plain(WHOLE))), "file")
    assert read == WHOLE and digest(read) == digest(WHOLE)


def test_a_digest_depends_on_every_member_and_on_no_order_of_keys():
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1}) != digest({"a": 1, "b": 3})
    variants = [WHOLE, Whole(WHOLE.part, ()), Whole(WHOLE.part, WHOLE.parts, Part(()))]
    variants += [Whole(Part((1, 3)), WHOLE.parts)]
    assert len({digest(one) for one in variants}) == len(variants)
    with pytest.raises(ValueError):
        digest({"a": float("nan")})


def test_a_field_that_came_later_leaves_the_digests_that_were_names_before():
    @dataclass(frozen=True)
    class Before:
        size: int

    @dataclass(frozen=True)
    class After(Before):
        shade: str = unsaid("grey")

    assert digest(After(3)) == digest(Before(3)) != digest(After(3, "red"))
    for record in (After(3), After(3, "red")):
        assert from_plain(After, to_plain(record), "file") == record


def test_what_was_written_before_a_field_was_there_is_read_where_that_is_asked_for_and_holds_nothing_unknown():
    assert from_plain(Part, {"sizes": [1]}, "file", older=True) == Part((1,))
    for values, part in (({}, "Part.sizes is missing"), ({"sizes": [1], "more": 1}, "Part.more is unknown")):
        with pytest.raises(InputError, match=part):
            from_plain(Part, values, "file", older=True)


@pytest.mark.parametrize(
    ("values", "part"),
    [
        ({"sizes": [1], "options": [], "more": 1}, "Part.more is unknown"),
        ({"sizes": [1]}, "Part.options is missing"),
        ([], "list where a Part belongs"),
        ({"sizes": 1, "options": []}, "Part.sizes is 1: damaged"),
        ({"sizes": [1, "2"], "options": []}, "Part.sizes is '2': damaged"),
        ({"sizes": [True], "options": []}, "Part.sizes is True: damaged"),
        ({"sizes": [1], "options": [["layers"]]}, "Part.options holds 1 values where 2 belong"),
    ],
)
def test_what_is_damaged_or_of_another_version_is_refused_by_the_name_of_the_field(values, part):
    with pytest.raises(InputError, match=f"^file: .*{part}"):
        from_plain(Part, values, "file")
