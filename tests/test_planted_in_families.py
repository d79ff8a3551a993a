"""Bugs planted in families of ops, composites, losses and optimizers: each turns a test red.

Where a rule is replaced, the named law notices; where a piece of a function's text is, the tests
of that function do.
"""

import inspect
import linecache
import sys
from unittest import mock

import numpy as np
import pytest
import test_composites
import test_nn_losses
import test_optim_options
from scale_rules import broken_laws, replaced

import autograd_core as ag
import optim
from autograd_core.declare import COMPOSITES
from autograd_core.ops.matrices import column, lower
from autograd_core.ops.products import flipped
from nn import functional

OPS = ag.OPS
RULE = {name: op.rules for name, op in OPS.items()}


def detached(x):
    return x.detach() if isinstance(x, ag.Tensor) else x


def later_sums(ct, axis, shape):
    """Return the rule of cumsum."""
    return RULE["cumsum"]["x"](ct, shape, axis)


def cumprod_by_division(ct, x, out, x_shape, axis):
    part = ct * out if axis is not None else ag.ravel(ct * out)
    return later_sums(part, axis, x_shape) / x


def without_half(ct, out, upper):
    ct, turned = (flipped(ct), out) if upper else (ct, flipped(out))
    part = ag.linalg.solve(turned, lower(ag.matmul(turned, ct)))
    part = ag.linalg.solve(turned, flipped(part))
    return 0.5 * (part + flipped(part))


def last_of_equal_positions(ct, indices, x_shape, axis, mode):
    once = np.zeros(x_shape)
    places = np.take(np.arange(once.size).reshape(x_shape), indices, axis=axis, mode=mode)
    once.reshape(-1)[places] = ct if not isinstance(ct, ag.Tensor) else ct.numpy()
    return ag.tensor(once) if isinstance(ct, ag.Tensor) else once


def uncentred(ct, x, axis, eps, center):
    return OPS["standardize_pull"](ct, x, axis=axis, eps=eps, center=False)


def sorted_by_default(x, axes):
    """Return argsort of what may be counted from the end."""
    return ag.transpose(x, axes=None if axes is None else tuple(np.argsort(axes).tolist()))


def norm_without_sign(ct, x, out, x_shape, ord, axes):
    return ag.abs(RULE["p_norm"]["x"](ag.abs(ct), x, out, x_shape, ord, axes))


WRONG_RULES = {
    "sums of the earlier ones": ("cumsum", {"x": lambda ct, axis, x_shape: ct}, "pullback"),
    "division by a zero factor": ("cumprod", {"x": cumprod_by_division}, "pullback"),
    "division by a zero factor, whole": (
        "prod",
        {"x": lambda ct, x, out, x_shape, axis: RULE["sum"]["x"](ct * out, x_shape, axis) / x},
        "pullback",
    ),
    "negative axes": ("transpose", {"x": sorted_by_default}, "pullback"),
    "a roll further": (
        "roll",
        {"x": lambda ct, shift, axis: ag.roll(ct, shift=shift, axis=axis)},
        "pullback",
    ),
    "a flip of all axes": ("flip", {"x": lambda ct: ag.flip(ct)}, "pullback"),
    "the wrong triangle": ("tril", {"x": lambda ct, k: ag.tril(ct)}, "pullback"),
    "part of another array": (
        "concatenate",
        {"arrays": lambda ct, which, shapes, axis: ag.getitem(ct, index=(..., slice(0, 1)))},
        "pullback",
    ),
    "the first of a stack": (
        "stack",
        {"arrays": lambda ct, axis: ag.take(ct, 0, axis=axis)},
        "pullback",
    ),
    "equal positions overwrite": (
        "take",
        {"x": last_of_equal_positions, "indices": None},
        "pullback",
    ),
    "not transposed": (
        "solve",
        {
            "a": RULE["solve"]["a"],
            "b": lambda ct, a, b_shape: (
                ag.linalg.solve(a, ct)
                if len(b_shape) > 1
                else ag.linalg.solve(a, column(ct))[..., 0]
            ),
        },
        "pullback",
    ),
    "a sign": (
        "inv",
        {"a": lambda ct, out: ag.matmul(ag.matmul(flipped(out), ct), flipped(out))},
        "pullback",
    ),
    "wrong for stacks only": (
        "inv",
        {"a": lambda ct, out: -ag.matmul(ag.matmul(out.T, ct), out.T)},
        "pullback",
    ),
    "wrong for singular matrices only": (
        "det",
        {"a": lambda ct, a, out: (ct * out)[..., None, None] * flipped(OPS["inv_or_inf"](a))},
        "pullback",
    ),
    "twice the diagonal": ("cholesky", {"a": without_half}, "pullback"),
    "a wrong second derivative": (
        "expm",
        {"a": lambda ct, a: OPS["expm_pull"](ct, detached(a))},
        "second_order",
    ),
    "roles of labels exchanged": (
        "contract",
        {
            "x": RULE["contract"]["x"],
            "y": lambda ct, x, labels: RULE["contract"]["x"](ct, x, labels),
        },
        "pullback",
    ),
    "cross product the other way": (
        "cross_product",
        {
            "x": lambda ct, y: OPS["cross_product"](ct, y),
            "y": lambda ct, x: OPS["cross_product"](x, ct),
        },
        "pullback",
    ),
    "convolution instead of correlation": (
        "convolve",
        {
            "x": lambda ct, y, x_shape: RULE["convolve"]["x"](ct, ag.flip(y), x_shape),
            "y": RULE["convolve"]["y"],
        },
        "pullback",
    ),
    "no sign in a norm": ("p_norm", {"x": norm_without_sign}, "pullback"),
    "the last axis always": (
        "softmax",
        {"x": lambda ct, out: out * (ct - ag.sum(ct * out, axis=-1, keepdims=True))},
        "pullback",
    ),
    "a mean forgotten": ("standardize", {"x": uncentred}, "pullback"),
    "bounds of the defaults": (
        "hard_tanh_pull",
        {"ct": lambda g, x: OPS["hard_tanh_pull"](g, x), "x": None},
        "pullback",
    ),
    "a threshold of the default": (
        "hard_shrink",
        {"x": lambda ct, x: OPS["softshrink_pull"](ct, x)},
        "pullback",
    ),
    "one bound of two": (
        "clip",
        {
            "x": lambda ct, x, min: ag.where(
                ag.greater_equal(x, -0.5 if min is None else min), ct, 0.0
            )
        },
        "pullback",
    ),
    "the slope everywhere": (
        "prelu",
        {"x": RULE["prelu"]["x"], "weight": lambda ct, x: ct * x},
        "pullback",
    ),
    "a factor of the error function": (
        "erf",
        {"x": lambda ct, x: ct * ag.exp(-x * x)},
        "pullback",
    ),
    "the wrong order of polygamma": (
        "polygamma_of_order",
        {"x": lambda ct, x, n: ct * OPS["polygamma_of_order"](x, n=n)},
        "pullback",
    ),
    "a quotient taken for zero": (
        "fmod",
        {"x": RULE["fmod"]["x"], "y": lambda ct: ct * 0.0},
        "pullback",
    ),
    "a step of zero": ("heaviside", {"x": None, "y": lambda ct: ct * 0.0}, "pullback"),
    "values' cotangent in reverse": (
        "eigvalsh",
        {"a": lambda ct, a: RULE["eigvalsh"]["a"](ag.flip(ct, axis=-1), a)},
        "pullback",
    ),
}


@pytest.mark.parametrize("case", WRONG_RULES)
def test_a_wrong_rule_turns_its_law_red(case):
    name, rules, law = WRONG_RULES[case]
    with replaced(OPS[name], **rules):
        assert broken_laws(OPS[name], [law]) == [law]


def text_of(function, old, new):
    """Run a function's definition, decorators and all, with a piece of its text replaced."""
    source = inspect.getsource(function)
    assert source.count(old) == 1, f"{function.__name__} does not say {old!r} once"
    home = vars(sys.modules[function.__module__])
    space, source = dict(home), source.replace(old, new)
    name = f"<planted in {function.__name__}: {new}>"
    linecache.cache[name] = len(source), None, source.splitlines(keepends=True), name
    exec(compile(source, name, "exec"), space)
    return space[function.__name__]


COMPOSED = [
    ("trapezoid", "heights * 0.5", "heights"),
    ("trapezoid", "(dx, tuple(range(1, np.ndim(y) - axis_of(y, axis))))", "(dx, ())"),
    ("diff", "for _ in range(n)", "for _ in range(1)"),
    ("average", "/ total", "/ sum(ones)"),
    ("nanmean", "/ _present(x, axis)", "/ np.size(x)"),
    ("nanvar", "- ddof", ""),
    ("ptp", "- min(x, axis=axis", "- min(x, axis=None if keepdims else axis"),
    ("quantile", "q, 1.0, axis", "q, 1.1, axis"),
    ("percentile", "method, keepdims)", '"linear", keepdims)'),
    ("median", "0.5", "0.4"),
    ("sort", "if axis is None:", "if axis == 0:"),
    ("cummax", "largest=True", "largest=False"),
    ("rot90", "axis=axes[1]) if k % 4 == 1", "axis=axes[0]) if k % 4 == 1"),
    ("tile", "rep * size", "size * size"),
    ("insert", "values = moveaxis(values, 0, axis)", "pass"),
    ("pad", "mode=mode", 'mode="edge"'),
    ("diagonal", "(axis1, axis2)", "(axis2, axis1)"),
    ("column_stack", "transpose(atleast_2d(x))", "atleast_2d(x)"),
    ("array_split", "[each + 1] * more", "[each] * more"),
    ("meshgrid", 'if indexing == "xy"', 'if indexing == "ij"'),
    ("correlate", "flip(y), mode=mode)", "y, mode=mode)"),
    (
        "choose",
        "for i, choice in enumerate(choices[1:], 1)",
        "for i, choice in enumerate(choices[1:])",
    ),
    (
        "select",
        "reversed(list(zip(condlist, choicelist, strict=True)))",
        "zip(condlist, choicelist)",
    ),
    ("dot", "axes=(lead, *range(lead), lead + 1)", "axes=(*range(lead), lead, lead + 1)"),
    ("kron", "of_a, of_b = tuple(range(0", "of_b, of_a = tuple(range(0"),
    ("tensordot", "i % a.ndim", "i"),
    ("cross", "cross_product(a, b), -1, axisc", "cross_product(a, b), -1, 0"),
    ("matrix_power", "n //= 2", "n -= 1"),
    ("solve_triangular", "mask if lower else mask.T", "mask.T"),
    ("solve_triangular", 'trans in (0, "N")', "True"),
    ("norm", "2 if ord is None else ord", "2"),
    ("cond", "smallest / largest if p == -2 else", ""),
    ("slogdet", "logabsdet(a)", "0.5 * logabsdet(a * a)"),
    (
        "tensorsolve",
        "order = [axis for axis in range(a.ndim) if axis not in last]",
        "order = last and list(range(a.ndim)); last = []",
    ),
    ("threshold", "less_equal(x, threshold), value, x", "less_equal(x, threshold), x, value"),
    ("softmin", "-x, axis=axis", "-x"),
    ("kl_div", "rel_entr(x, y) - x + y", "rel_entr(x, y) - x"),
]


@pytest.mark.parametrize(("name", "old", "new"), COMPOSED)
def test_a_bug_in_a_composite_is_noticed(name, old, new):
    cases = [case.values for case in test_composites.CASES if case.values[0] == name]
    with mock.patch.dict(COMPOSITES):
        text_of(COMPOSITES.pop(name).__wrapped__, old, new)
        red = 0
        for case in cases:
            try:
                test_composites.test_value(*case)
                test_composites.test_derivatives(*case)
            except Exception:
                red += 1
        assert red


LOSSES = [
    ("huber_loss", "_huber(d, delta)", "_huber(d, 1.001 * delta)"),
    ("smooth_l1_loss", "/ beta if", "if"),
    ("poisson_nll_loss", "if full", "if not full"),
    ("gaussian_nll_loss", "0.5 * (ag", "0.501 * (ag"),
    ("binary_cross_entropy", "(y - 1.0)", "(y - 1.001)"),
    ("binary_cross_entropy_with_logits", "(1.0 - y)", "(1.001 - y)"),
    ("cross_entropy", "q = q * ag.tensor(scale, dtype=z.dtype)", "pass"),
    ("nll_loss", "-picked, counts", "-picked, None"),
    ("kl_div", "log_q - ag.where(zero, 0.0, x)", "log_q"),
    ("soft_margin_loss", "-y * x", "y * x"),
    ("margin_ranking_loss", "margin - y * d", "-y * d"),
    ("hinge_embedding_loss", "ag.clip(margin - x, min=0.0)", "ag.clip(margin + x, min=0.0)"),
]


@pytest.mark.parametrize(("name", "old", "new"), LOSSES)
def test_a_bug_in_a_loss_is_noticed(name, old, new):
    wrong = text_of(getattr(functional, name), old, new)
    cases = [c for c in test_nn_losses.RECORDED if type(c[0]).function.__name__ == name]
    red = 0
    for case in cases:
        with mock.patch.object(type(case[0]), "function", wrong):
            try:
                test_nn_losses.test_values_and_derivatives_are_pytorchs(*case)
            except Exception:
                red += 1
    assert red


METHODS = [
    ("SGD", "dampening", "dampening * 1.001"),
    ("ASGD", "** alpha", "** (1.001 * alpha)"),
    ("Adagrad", "s + g * g", "s + g * g * 1.001"),
    ("RMSprop", "square = s - mean * mean", "square = s - 1.001 * mean * mean"),
    ("Adadelta", "(1 - rho) * change * change", "(1 - rho) * g * g"),
    ("Adamax", "(1 - beta1**t)", "(1 - beta1)"),
    ("NAdam", "0.96 ** ((t + 1)", "0.96 ** ((t + 2)"),
    ("RAdam", "(rho - 4) * (rho - 2) * final", "(rho - 4.001) * (rho - 2) * final"),
    ("Rprop", "shrink * size", "1.001 * shrink * size"),
]


@pytest.mark.parametrize(("name", "old", "new"), METHODS)
def test_a_bug_in_an_optimizer_is_noticed(name, old, new):
    function = getattr(optim, name).recurrence.function
    body = inspect.getsource(function).partition('"""')[2].partition('"""')[2]
    line = next(line for line in body.splitlines() if old in line)
    wrong = text_of(function, line, line.replace(old, new))
    cases = [c for c in test_optim_options.RECORDED if c[0].__name__ == name]
    ends = [test_optim_options.path(wrong, **options)[-1] for _, options, _ in cases]
    wanted = [end for *_, end in cases]
    assert not np.allclose(ends, wanted, rtol=1e-9)
