"""Activations made of straight lines and a parabola, as scalar functions for the same loops.

The derivative at a kink is PyTorch's, but for hard_tanh. `slopes` has the smooth activations.
"""

from __future__ import annotations

from .exact import fma


def clamp(x, low, high):
    """x limited to the interval from low to high; NaN at NaN."""
    y = low if x < low else x
    return high if y > high else y


def inside(x, low, high):
    """1 in the open interval from low to high, 0 elsewhere; NaN at NaN."""
    below = 1.0 if x < high else (x if x != x else 0.0)
    return below if x > low else (x if x != x else 0.0)


def relu(x):
    """max(x, 0)."""
    return x if x > 0.0 else (x if x != x else 0.0)


def relu_slope(x):
    """1 where x > 0, 0 elsewhere; NaN at NaN."""
    return 1.0 if x > 0.0 else (x if x != x else 0.0)


def leaky_relu(x, slope):
    """x where x > 0, slope x elsewhere."""
    return x if x > 0.0 else slope * x


def leaky_relu_slope(x, slope):
    """1 where x > 0, slope elsewhere."""
    return 1.0 if x > 0.0 else (x if x != x else slope)


def relu6(x):
    """min(max(x, 0), 6)."""
    return clamp(x, 0.0, 6.0)


def relu6_slope(x):
    """1 where 0 < x < 6, 0 elsewhere."""
    return inside(x, 0.0, 6.0)


def hard_tanh(x, min_val, max_val):
    """x limited to the interval from min_val to max_val."""
    return clamp(x, min_val, max_val)


def hard_tanh_slope(x, min_val, max_val):
    """1 in the closed interval, 0 elsewhere; NaN at NaN."""
    below = 1.0 if x <= max_val else (x if x != x else 0.0)
    return below if x >= min_val else (x if x != x else 0.0)


def hard_sigmoid(x):
    """min(max(x + 3, 0), 6) / 6."""
    return clamp(x + 3.0, 0.0, 6.0) / 6.0


def hard_sigmoid_slope(x):
    """1/6 where -3 < x < 3, 0 elsewhere."""
    return inside(x, -3.0, 3.0) / 6.0


def hard_swish(x):
    """x hard_sigmoid(x), and x itself from 3 on, where x 6 / 6 could overflow."""
    middle = x * (x + 3.0) / 6.0
    right = middle if x < 3.0 else x
    return right if x > -3.0 else (x if x != x else 0.0)


def hard_swish_slope(x):
    """0 up to -3, x/3 + 1/2 between, 1 from 3 on; exact next to its zero at -1.5."""
    right = fma(2.0, x, 3.0) / 6.0 if x < 3.0 else 1.0
    return right if x > -3.0 else (x if x != x else 0.0)


def softshrink(x, lambd):
    """x, moved towards 0 by lambd, but not beyond it."""
    left = x + lambd if x < -lambd else (x if x != x else 0.0)
    return x - lambd if x > lambd else left


def softshrink_slope(x, lambd):
    """1 where |x| > lambd, 0 elsewhere."""
    return 1.0 if abs(x) > lambd else (x if x != x else 0.0)


def hard_shrink(x, lambd):
    """x where |x| > lambd, 0 elsewhere."""
    return x if abs(x) > lambd else (x if x != x else 0.0)


def hard_shrink_slope(x, lambd):
    """1 where |x| > lambd, 0 elsewhere."""
    return softshrink_slope(x, lambd)
