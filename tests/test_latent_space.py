"""Paths, traversals and the grid of the prior: against scipy, plane geometry and the definition."""

import math
import re

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.spatial import geometric_slerp

from vae_notes.checks import value_checks_off
from vae_notes.latent_space import prior_quantile_grid, spherical_path, straight_path, traversal

SHARES = torch.linspace(0, 1, 5, dtype=torch.float64)


def randn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def raises(error, text):
    return pytest.raises(error, match=re.escape(text))


@pytest.mark.parametrize("path", [straight_path, spherical_path])
@pytest.mark.parametrize("shape", [(3,), (7, 3), (2, 7, 3)])
def test_a_path_goes_from_start_to_end(path, shape):
    start, end = randn(*shape, seed=1), randn(*shape, seed=2)
    points = path(start, end, SHARES)
    assert points.shape == (5, *shape)
    torch.testing.assert_close(points[0], start)
    torch.testing.assert_close(points[-1], end)
    torch.testing.assert_close(path(end, start, SHARES), points.flip(0))


def test_the_straight_path_has_equal_steps():
    points = straight_path(randn(7, 3, seed=1), randn(7, 3, seed=2), SHARES)
    steps = points[1:] - points[:-1]
    torch.testing.assert_close(steps, steps[:1].expand_as(steps))


def test_one_start_and_many_ends():
    start, ends = randn(3, seed=1), randn(7, 3, seed=2)
    for path in (straight_path, spherical_path):
        torch.testing.assert_close(path(start, ends, SHARES)[:, 4], path(start, ends[4], SHARES))


def test_the_arc_of_unit_vectors_is_that_of_scipy():
    start, end = randn(5, seed=1), randn(5, seed=2)
    start, end = start / start.norm(), end / end.norm()
    expected = geometric_slerp(start.numpy(), end.numpy(), SHARES.numpy())
    np.testing.assert_allclose(spherical_path(start, end, SHARES), expected, atol=1e-12)


@pytest.mark.parametrize("radius", [1e-3, 1.0, 1e150])
def test_the_arc_keeps_the_norm_and_has_equal_angles(radius):
    start, end = randn(20, 8, seed=1), randn(20, 8, seed=2)
    start, end = (radius * v / v.norm(dim=-1, keepdim=True) for v in (start, end))
    points = spherical_path(start, end, SHARES)
    torch.testing.assert_close(points / radius, points / points.norm(dim=-1, keepdim=True))
    cosines = (points[1:] / radius * points[:-1] / radius).sum(-1)
    torch.testing.assert_close(cosines, cosines[:1].expand_as(cosines))


def test_the_weights_of_different_norms_are_those_of_the_formula():
    start, end = randn(50, 4, seed=1), 3 * randn(50, 4, seed=2)
    angle = torch.arccos(torch.nn.functional.cosine_similarity(start, end))[:, None]
    for t in (0.2, 0.5):
        expected = (torch.sin((1 - t) * angle) * start + torch.sin(t * angle) * end) / torch.sin(angle)
        torch.testing.assert_close(spherical_path(start, end, torch.tensor([t], dtype=torch.float64))[0], expected)


@pytest.mark.parametrize("tilt", [0.0, 1e-12, 1e-7])
def test_nearly_parallel_vectors_are_joined_in_a_straight_line(tilt):
    start = torch.tensor([1.0, 0.0], dtype=torch.float64)
    end = torch.tensor([2.0, tilt], dtype=torch.float64)
    torch.testing.assert_close(
        spherical_path(start, end, SHARES), straight_path(start, end, SHARES), atol=1e-12, rtol=0
    )


def test_a_code_of_zeros_is_joined_in_a_straight_line():
    zero, end = torch.zeros(3, dtype=torch.float64), randn(3)
    torch.testing.assert_close(spherical_path(zero, end, SHARES), SHARES[:, None] * end)
    assert (spherical_path(zero, zero, SHARES) == 0).all()


def test_gradients_of_the_arc_are_finite():
    start, end = randn(4, 3, seed=1).requires_grad_(), randn(4, 3, seed=2).requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: spherical_path(a, b, SHARES), (start, end))


def test_opposite_directions_are_refused():
    start = randn(3)
    with raises(ValueError, "must not point in opposite directions"):
        spherical_path(start, -2 * start, SHARES)
    with value_checks_off():
        spherical_path(start, -2 * start, SHARES)
    turned = torch.tensor([math.cos(3.13), math.sin(3.13)], dtype=torch.float64)  # 0.7 degrees from opposite
    middle = spherical_path(torch.tensor([1.0, 0.0], dtype=torch.float64), turned, SHARES)[2]
    assert math.isclose(middle.norm(), 1)


@pytest.mark.parametrize("path", [straight_path, spherical_path])
def test_bad_paths_are_refused(path):
    z = randn(7, 3)
    with raises(ValueError, "share must have shape (T,), got ()"):
        path(z, z, torch.tensor(0.5, dtype=torch.float64))
    with raises(TypeError, "share"):
        path(z, z, torch.tensor([0, 1]))
    with raises(ValueError, "(7, 2)"):
        path(z, z[:, :2], SHARES)
    with raises(TypeError, "dtype"):
        path(z, z.float(), SHARES)
    with raises(ValueError, "start"):
        path(torch.full((3,), math.nan, dtype=torch.float64), z, SHARES)


@pytest.mark.parametrize("n", [1, 2, 7])
def test_the_grid_holds_the_middle_quantiles_from_the_top_left(n):
    grid = prior_quantile_grid(n).reshape(n, n, 2)
    quantiles = stats.norm.ppf((np.arange(1, n + 1) - 0.5) / n)
    for row in range(n):
        np.testing.assert_allclose(grid[row, :, 0], quantiles, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(grid[row, :, 1], quantiles[n - 1 - row], rtol=1e-5, atol=1e-6)
    assert grid.dtype == torch.get_default_dtype()


def test_a_bad_grid_is_refused():
    with raises(ValueError, "n must be at least 1, got 0"):
        prior_quantile_grid(0)
    with raises(TypeError, "n must be an int, got float"):
        prior_quantile_grid(2.0)


@pytest.mark.parametrize("axis", [0, 2, -1])
def test_a_traversal_changes_one_coordinate(axis):
    z, values = randn(7, 3), randn(5, seed=3)
    before = z.clone()
    path = traversal(z, axis, values)
    assert path.shape == (5, 7, 3)
    others = [i for i in range(3) if i != axis % 3]
    assert (path[..., others] == z[:, others]).all()
    assert (path[..., axis] == values[:, None]).all()
    assert (z == before).all()


def test_bad_traversals_are_refused():
    z, values = randn(3), randn(5)
    with raises(ValueError, "z has shape (3,): it has no coordinate 3"):
        traversal(z, 3, values)
    with raises(TypeError, "axis must be an int, got bool"):
        traversal(z, True, values)
    with raises(ValueError, "values must have shape (T,), got (1, 5)"):
        traversal(z, 0, values[None])
    with raises(TypeError, "dtype"):
        traversal(z, 0, values.float())
    with raises(ValueError, "values"):
        traversal(z, 0, values / 0)


def test_results_stay_on_the_device(device):
    z, share = torch.ones(3, device=device), torch.linspace(0, 1, 4, device=device)
    other = torch.tensor([1.0, 0.0, 2.0], device=device)
    for result in (straight_path(z, other, share), spherical_path(z, other, share), traversal(z, 0, share)):
        assert result.device.type == device.type and result.shape == (4, 3)
