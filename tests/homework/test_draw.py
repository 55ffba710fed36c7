"""What a key draws: the same for the same key, within its limits, and different for another."""

import doctest

import pytest

from homework import draw, limits
from homework.draw import Draw, check_key, edition


def test_numbers_are_kept_from_version_to_version():
    """Computed once: an assignment that was handed out must come out the same with a newer Python."""
    drawn = Draw("public", "05-gaussian-kl")
    assert [drawn.number(0.0, 1.0, 6) for _ in range(3)] == [0.989694, 0.427757, 0.590401]
    assert edition("public") == "59900abf"


@pytest.mark.parametrize("key", ["", "abc", "with blank", "tab\tbetween", None, 1234])
def test_what_is_no_key_is_refused(key):
    with pytest.raises(ValueError, match="KEY must have at least 4 characters and no blank, got"):
        check_key(key)


def test_keys_and_assignments_have_streams_of_their_own():
    streams = {
        tuple(Draw(key, name).numbers(5, 0.0, 1.0, 6)) for key in ("key-1", "key-2", "key-3") for name in ("05", "06")
    }
    assert len(streams) == 6
    assert len({edition(f"key-{number}") for number in range(20)}) == 20


def test_everything_drawn_lies_where_it_should():
    drawn = Draw("limits", "any")
    numbers = drawn.numbers(2000, -1.5, 2.25, 2)
    assert min(numbers) >= -1.5 and max(numbers) <= 2.25 and all(round(one, 2) == one for one in numbers)
    assert {drawn.integer(3, 5) for _ in range(200)} == {3, 4, 5}
    assert {drawn.choice("a", "b") for _ in range(100)} == {"a", "b"}
    samples = [drawn.sample("abcd", 3) for _ in range(200)]
    assert all(len(set(one)) == 3 for one in samples)
    assert {tuple(one) for one in samples} == {(a, b, c) for a in "abcd" for b in "abcd" for c in "abcd" if len({a, b, c}) == 3}
    assert all(0 < drawn.seed() < 2**31 for _ in range(100))


def test_more_than_there_is_cannot_be_drawn():
    with pytest.raises(ValueError, match="count must be at most 2, the number of options, got 3"):
        Draw("limits", "any").sample(["a", "b"], 3)


@pytest.mark.parametrize("module", [draw, limits], ids=lambda module: module.__name__)
def test_the_examples_run(module):
    results = doctest.testmod(module)
    assert results.attempted > 0 and results.failed == 0
