"""The checks accept what is legal, and refuse the rest with a text that says what to do."""

import re
import threading

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vae_notes import checks

NAN, INF = float("nan"), float("inf")


def raises(error, text):
    return pytest.raises(error, match=f"^{re.escape(text)}$")


@pytest.mark.parametrize(
    ("value", "kind"),
    [(0.0, "float"), ([0.0], "list"), (None, "NoneType"), (torch.zeros(1).numpy(), "ndarray")],
)
def test_only_tensors_pass_as_tensors(value, kind):
    text = f"loc must be a torch.Tensor, got {kind}; make one with torch.as_tensor(loc)"
    with raises(TypeError, text):
        checks.check_tensors(loc=value)
    with raises(TypeError, text):
        checks.check_floating(loc=value)
    with raises(TypeError, text):
        checks.check_class_indices(loc=value)


def test_tensors_on_two_devices_are_refused():
    with raises(ValueError, "all tensors must be on the same device, got x on cpu, loc on meta"):
        checks.check_tensors(x=torch.zeros(2), loc=torch.zeros(2, device="meta"))
    checks.check_tensors(x=torch.zeros(2), loc=torch.zeros(2))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.bool, torch.int64, torch.complex64])
def test_dtypes_that_are_not_floating_are_refused_with_a_hint(dtype):
    text = f"x must be floating, got {dtype}; convert it, for example with x.to(torch.float32)"
    with raises(TypeError, text):
        checks.check_floating(loc=torch.zeros(1), x=torch.zeros(1, dtype=dtype))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_floating_dtypes_pass_but_do_not_mix(dtype):
    x = torch.zeros(1, dtype=dtype)
    checks.check_floating(x=x, loc=x)
    other = torch.float64 if dtype == torch.float32 else torch.float32
    with raises(TypeError, f"all floating tensors must have the same dtype, got x {dtype}, loc {other}"):
        checks.check_floating(x=x, loc=x.to(other))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.float32, torch.bool])
def test_class_indices_are_int64(dtype):
    text = f"x must hold class indices (torch.int64), got {dtype}; convert it with x.to(torch.int64)"
    with raises(TypeError, text):
        checks.check_class_indices(x=torch.zeros(1, dtype=dtype))
    checks.check_class_indices(x=torch.zeros(1, dtype=torch.int64))


@given(st.lists(st.integers(0, 3), max_size=4), st.data())
def test_missing_leading_axes_are_allowed(shape, data):
    shorter = shape[data.draw(st.integers(0, len(shape))) :]
    checks.check_leading_axes(x=shape, loc=shorter)
    checks.check_leading_axes(x=shorter, loc=shape)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=4), st.data())
def test_any_other_size_is_refused_also_1(shape, data):
    axis = data.draw(st.integers(0, len(shape) - 1))
    other = list(shape)
    other[axis] = data.draw(st.integers(0, 4).filter(lambda size: size != shape[axis]))
    text = f"leading axes must agree, aligned at the right: x has {tuple(shape)} and loc has {tuple(other)}"
    with raises(ValueError, text):
        checks.check_leading_axes(x=shape, loc=other)


def test_two_disagreeing_arguments_are_found_behind_a_shorter_first():
    with raises(ValueError, "leading axes must agree, aligned at the right: b has (3, 2) and c has (4, 2)"):
        checks.check_leading_axes(a=(2,), b=(3, 2), c=(4, 2))


def test_the_first_disagreeing_pair_is_named_in_the_order_of_the_arguments():
    with raises(ValueError, "leading axes must agree, aligned at the right: a has (2,) and b has (3,)"):
        checks.check_leading_axes(a=(2,), b=(3,), c=(2,))


def test_last_axis_must_be_there_and_agree():
    with raises(ValueError, "z needs at least one axis, the last being the dimensions; it has shape ()"):
        checks.check_same_last_axis(z=torch.tensor(0.0))
    with raises(ValueError, "the last axis must have the same size everywhere, got x (7, 2), loc (7, 1)"):
        checks.check_same_last_axis(x=torch.zeros(7, 2), loc=torch.zeros(7, 1))
    with raises(ValueError, "leading axes must agree, aligned at the right: x has (7,) and loc has (1,)"):
        checks.check_same_last_axis(x=torch.zeros(7, 2), loc=torch.zeros(1, 2))
    checks.check_same_last_axis(x=torch.zeros(7, 2), loc=torch.zeros(3, 7, 2), log_variance=torch.zeros(2))


def test_finite_counts_what_is_not():
    x = torch.tensor([0.0, NAN, INF, -INF, 1.0])
    with raises(ValueError, "x must be finite, but 3 of 5 values are not: 1 NaN, 2 infinite"):
        checks.check_finite(ok=torch.zeros(2), x=x)
    checks.check_finite(x=torch.tensor([3e38, -3e38]))


def test_no_nan_lets_infinities_pass():
    with raises(ValueError, "x must not hold NaN, but 2 of 3 values are NaN"):
        checks.check_no_nan(ok=torch.zeros(2), x=torch.tensor([NAN, INF, NAN]))
    checks.check_no_nan(x=torch.tensor([INF, -INF]))


@pytest.mark.parametrize("x", [[-1, 3], [0, 16], [-1, 16]])
def test_range_names_the_range_seen(x):
    text = f"x must lie between 0 and 15, but its values lie between {x[0]} and {x[1]}"
    with raises(ValueError, text):
        checks.check_range(0, 15, ok=torch.tensor([0]), x=torch.tensor(x))
    checks.check_range(0, 15, x=torch.tensor([0, 15]))
    checks.check_range(0, 15, x=torch.zeros(0))


def test_range_names_nan():
    with raises(ValueError, "x must not hold NaN, but 1 of 2 values are NaN"):
        checks.check_range(0, 1, x=torch.tensor([0.5, NAN]))


@pytest.mark.parametrize(
    ("value", "kind"), [(1.0, "float"), (True, "bool"), ("3", "str"), (None, "NoneType")]
)
def test_a_count_is_an_int(value, kind):
    with raises(TypeError, f"n_samples must be an int, got {kind}"):
        checks.check_count(n_samples=value)


@pytest.mark.parametrize("value", [0, -3])
def test_a_count_is_at_least_1(value):
    with raises(ValueError, f"n_samples must be at least 1, got {value}"):
        checks.check_count(ok=1, n_samples=value)
    checks.check_count(n_samples=1)


VALUE_CHECKS = [
    lambda: checks.check_finite(x=torch.tensor([NAN])),
    lambda: checks.check_no_nan(x=torch.tensor([NAN])),
    lambda: checks.check_range(0, 1, x=torch.tensor([2.0])),
]
OTHER_CHECKS = [
    lambda: checks.check_floating(x=torch.tensor([1])),
    lambda: checks.check_class_indices(x=torch.tensor([1.0])),
    lambda: checks.check_same_last_axis(x=torch.zeros(2), y=torch.zeros(3)),
    lambda: checks.check_leading_axes(x=(2,), y=(3,)),
    lambda: checks.check_count(n=0),
]


@pytest.mark.parametrize("check", VALUE_CHECKS)
def test_value_checks_can_be_switched_off(check):
    with pytest.raises(ValueError):
        check()
    with checks.value_checks_off():
        check()
        with checks.value_checks_off():
            check()
        check()  # the inner block must not switch them on again
    with pytest.raises(ValueError):
        check()


@pytest.mark.parametrize("check", OTHER_CHECKS)
def test_checks_of_type_and_shape_stay_on(check):
    with checks.value_checks_off(), pytest.raises((TypeError, ValueError)):
        check()


def test_value_checks_come_back_after_an_exception():
    with pytest.raises(KeyError), checks.value_checks_off():
        raise KeyError
    assert checks.value_checks_are_on()


def test_the_switch_belongs_to_one_thread():
    seen = []
    with checks.value_checks_off():
        thread = threading.Thread(target=lambda: seen.append(checks.value_checks_are_on()))
        thread.start()
        thread.join()
        assert not checks.value_checks_are_on()
    assert seen == [True]
