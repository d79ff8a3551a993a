"""A jury of functions with derivatives written by hand, each with the verdict that is true.

NumPy alone: nothing here knows the engine. ``CASES`` maps a name to a function that makes a `Case`
afresh, because some of them remember what they were called with.
"""

import math
from dataclasses import dataclass, field

import numpy as np

CASES = {}
X = np.array([0.5, -1.2, 2.0])
POSITIVE = np.array([0.3, 1.7, 4.0])
A = np.array([[0.5, -1.0], [2.0, 0.25], [-0.75, 1.5]])
B = np.array([[1.0, 0.5, -0.5], [0.25, -2.0, 1.5]])


@dataclass
class Case:
    f: object
    x: object
    verdicts: tuple
    claim: dict = field(default_factory=dict)


def case(verdict, x, f, **claim):
    return Case(f, x, (verdict,) if isinstance(verdict, str) else verdict, claim)


def jury(name):
    def register(make):
        assert name not in CASES, name
        CASES[name] = make
        return make

    return register


def add(name, verdict, x, f, **claim):
    jury(name)(lambda: case(verdict, x, f, **claim))


# ------------------------------------------------------------------------------- right ones

ELEMENTWISE = {
    "sin": (np.sin, np.cos, X),
    "exp": (np.exp, np.exp, X),
    "log": (np.log, lambda x: 1 / x, POSITIVE),
    "sqrt": (np.sqrt, lambda x: 0.5 / np.sqrt(x), POSITIVE),
    "tanh": (np.tanh, lambda x: 1 - np.tanh(x) ** 2, X),
    "arctan": (np.arctan, lambda x: 1 / (1 + x * x), X),
    "cube": (lambda x: x**3, lambda x: 3 * x**2, X),
    "power 1.5": (lambda x: x**1.5, lambda x: 1.5 * x**0.5, POSITIVE),
    "reciprocal": (lambda x: 1 / x, lambda x: -1 / x**2, X),
    "expm1": (np.expm1, np.exp, np.array([1e-12, 1e-3, -5.0])),
    "log1p": (np.log1p, lambda x: 1 / (1 + x), np.array([1e-12, 1e-3, 5.0])),
    "sigmoid": (lambda x: 1 / (1 + np.exp(-x)), lambda x: np.exp(-x) / (1 + np.exp(-x)) ** 2, X),
    "gaussian": (lambda x: np.exp(-x * x), lambda x: -2 * x * np.exp(-x * x), X),
    "arcsin": (np.arcsin, lambda x: 1 / np.sqrt(1 - x * x), np.array([0.1, -0.9, 0.999])),
    "floor times x": (lambda x: np.floor(x) * x, np.floor, X + 0.1),
    "softplus": (lambda x: np.logaddexp(0, x), lambda x: 1 / (1 + np.exp(-x)), X * 20),
}
for name, (f, slope, x) in ELEMENTWISE.items():
    add(f"right {name}", "agrees", x, f, vjp=lambda x, ct, s=slope: ct * s(x))
    add(f"off by 1e-3 {name}", "wrong", x, f, vjp=lambda x, ct, s=slope: 1.001 * ct * s(x))
    add(f"off by 1e-5 {name}", "wrong", x, f, vjp=lambda x, ct, s=slope: (1 + 1e-5) * ct * s(x))


def softmax(x):
    e = np.exp(x - x.max())
    return e / e.sum()


def norm(x):
    return np.sqrt(np.sum(x * x))


def logsumexp(x):
    return x.max() + np.log(np.sum(np.exp(x - x.max())))


add("right softmax", "agrees", X, softmax, vjp=lambda x, ct: softmax(x) * (ct - ct @ softmax(x)))
add("softmax without its second term", "wrong", X, softmax, vjp=lambda x, ct: softmax(x) * ct)
add("right logsumexp", "agrees", X, logsumexp, grad=softmax)
add("right norm", "agrees", X, norm, grad=lambda x: x / norm(x))
add(
    "right matmul", "agrees", (A, B), lambda a, b: a @ b, vjp=lambda a, b, ct: (ct @ b.T, a.T @ ct)
)
add(
    "matmul with operands swapped",
    "wrong",
    (A.T @ A, B @ B.T),
    lambda a, b: a @ b,
    vjp=lambda a, b, ct: (a.T @ ct, ct @ b.T),
)
add(
    "matmul transposed",
    "wrong",
    (A.T @ A, B @ B.T),
    lambda a, b: a @ b,
    vjp=lambda a, b, ct: ((ct @ b.T).T, a.T @ ct),
)
add(
    "matmul, one gradient missing",
    "wrong",
    (A, B),
    lambda a, b: a @ b,
    vjp=lambda a, b, ct: (ct @ b.T, None),
)
add(
    "matmul, one gradient zero",
    "wrong",
    (A, B),
    lambda a, b: a @ b,
    vjp=lambda a, b, ct: (ct @ b.T, np.zeros_like(b)),
)
add(
    "right broadcast",
    "agrees",
    (A, X[:2]),
    lambda a, b: a * b,
    vjp=lambda a, b, ct: (ct * b, (ct * a).sum(0)),
)
add(
    "broadcast without its sum",
    "wrong",
    (A, X[:2]),
    lambda a, b: a * b,
    vjp=lambda a, b, ct: (ct * b, ct * a),
)
add(
    "broadcast with a mean",
    "wrong",
    (A, X[:2]),
    lambda a, b: a * b,
    vjp=lambda a, b, ct: (ct * b, (ct * a).mean(0)),
)
add(
    "broadcast, first row only",
    "wrong",
    (A, X[:2]),
    lambda a, b: a * b,
    vjp=lambda a, b, ct: (ct * b, (ct * a)[0]),
)
add(
    "right solve",
    "agrees",
    (np.eye(2) * 3 + A.T @ A, X[:2]),
    np.linalg.solve,
    vjp=lambda a, b, ct: (
        -np.outer(np.linalg.solve(a.T, ct), np.linalg.solve(a, b)),
        np.linalg.solve(a.T, ct),
    ),
)
add(
    "right determinant",
    "agrees",
    np.eye(2) * 3 + A.T @ A,
    np.linalg.det,
    grad=lambda a: np.linalg.det(a) * np.linalg.inv(a).T,
)
add(
    "determinant without transposing",
    "wrong",
    np.array([[1.0, 2.0], [0.5, 3.0]]),
    np.linalg.det,
    grad=lambda a: np.linalg.det(a) * np.linalg.inv(a),
)
add(
    "right mean of squares in a dict",
    "agrees",
    {"w": X, "b": 0.5},
    lambda p: np.mean((p["w"] + p["b"]) ** 2),
    grad=lambda p: {"w": 2 * (p["w"] + p["b"]) / 3, "b": np.mean(2 * (p["w"] + p["b"]))},
)
add("right cumulative sum", "agrees", X, np.cumsum, vjp=lambda x, ct: np.cumsum(ct[::-1])[::-1])
add("cumulative sum forwards", "wrong", X, np.cumsum, vjp=lambda x, ct: np.cumsum(ct))
add("right sort", "agrees", X, np.sort, vjp=lambda x, ct: ct[np.argsort(np.argsort(x))])
add(
    "sort by the inverse permutation",
    "wrong",
    X[[0, 2, 1]],
    np.sort,
    vjp=lambda x, ct: ct[np.argsort(x)],
)
add("right constant", "agrees", X, lambda x: 3.0, grad=np.zeros_like)
add("constant with a gradient", "wrong", X, lambda x: 3.0, grad=np.ones_like)
add("right number", "agrees", 1.5, lambda x: x * x, grad=lambda x: 2 * x)
add("right 0-d", "agrees", np.array(1.5), np.sin, vjp=lambda x, ct: ct * np.cos(x))
add("wrong 0-d", "wrong", np.array(1.5), np.sin, vjp=lambda x, ct: ct * np.sin(x))
add("sign flipped", "wrong", X, np.cos, vjp=lambda x, ct: ct * np.sin(x))
add("factor 2", "wrong", X, lambda x: np.sum(x * x), grad=lambda x: x)
add("cotangent ignored", "wrong", X, np.sin, vjp=lambda x, ct: np.cos(x))
add("cotangent squared", "wrong", X, np.sin, vjp=lambda x, ct: ct * ct * np.cos(x))
add(
    "one entry wrong",
    "wrong",
    X,
    np.sin,
    vjp=lambda x, ct: ct * np.cos(x) * np.array([1.0, 1.0, 1.0001]),
)
add("a claim of nan", "wrong", X, np.sin, vjp=lambda x, ct: ct * np.nan)
add("a claim of inf", "wrong", X, np.sin, vjp=lambda x, ct: ct * np.inf)
add(
    "wrong for large inputs only",
    "wrong",
    X * 20,
    np.sin,
    vjp=lambda x, ct: ct * np.where(np.abs(x) > 30, 1.0, np.cos(x)),
)
add("a rule that raises", "wrong", X, np.sin, vjp=lambda x, ct: ct @ np.ones((7, 7)))
add("wrong shape", "wrong", X, np.sin, vjp=lambda x, ct: (ct * np.cos(x))[:2])
add("extra axis", "wrong", X, np.sin, vjp=lambda x, ct: (ct * np.cos(x))[None])
add("a string", "wrong", X, np.sin, vjp=lambda x, ct: "cos")
add("rounded to single", "wrong", X, np.sin, vjp=lambda x, ct: (ct * np.cos(x)).astype("f4"))
add("truncated to integers", "wrong", X, np.sin, vjp=lambda x, ct: (ct * np.cos(x)).astype(int))

# ------------------------------------------------------------------------------- kinks and ties

ZERO = np.array([0.0, 1.0])
add("abs at 0", "kink", ZERO, lambda x: np.abs(x).sum(), grad=np.sign)
add("abs at 0, claim 1", "kink", ZERO, lambda x: np.abs(x).sum(), grad=lambda x: 1.0 + 0 * x)
add(
    "abs at 0, claim 2",
    "wrong",
    ZERO,
    lambda x: np.abs(x).sum(),
    grad=lambda x: np.where(x == 0, 2.0, np.sign(x)),
)
add(
    "abs at 0, claim -1.2",
    "wrong",
    ZERO,
    lambda x: np.abs(x).sum(),
    grad=lambda x: np.where(x == 0, -1.2, np.sign(x)),
)
add("abs at 0, wrong elsewhere", "wrong", ZERO, lambda x: np.abs(x).sum(), grad=lambda x: 0 * x)
add("relu at 0", "kink", ZERO, lambda x: np.maximum(x, 0), vjp=lambda x, ct: ct * (x > 0))
add(
    "relu at 0, claim 1/2",
    "kink",
    ZERO,
    lambda x: np.maximum(x, 0),
    vjp=lambda x, ct: ct * np.where(x == 0, 0.5, x > 0),
)
add(
    "relu at 0, claim -1",
    "wrong",
    ZERO,
    lambda x: np.maximum(x, 0),
    vjp=lambda x, ct: ct * np.where(x == 0, -1.0, x > 0),
)
add(
    "relu beside 0",
    "agrees",
    np.array([1e-9, -1e-9]),
    lambda x: np.maximum(x, 0),
    vjp=lambda x, ct: ct * (x > 0),
)
add(
    "relu beside 0, wrong side",
    "wrong",
    np.array([1e-7, 0.4]),
    lambda x: np.maximum(x, 0),
    vjp=lambda x, ct: ct * (x > 1e-3),
)
TIE = np.array([1.0, 2.0, 2.0])
add("max at a tie, first", "kink", TIE, np.max, grad=lambda x: np.eye(3)[np.argmax(x)])
add(
    "max at a tie, shared",
    "kink",
    TIE,
    np.max,
    grad=lambda x: (x == x.max()) / (x == x.max()).sum(),
)
add("max at a tie, both", "wrong", TIE, np.max, grad=lambda x: 1.0 * (x == x.max()))
add("max at a tie, none", "wrong", TIE, np.max, grad=lambda x: 0.0 * x)
add("max at a tie, the other", "wrong", TIE, np.max, grad=lambda x: np.eye(3)[0])
add("max without a tie", "agrees", X, np.max, grad=lambda x: 1.0 * (x == x.max()))
add(
    "maximum at a tie, both",
    "wrong",
    (X, X),
    np.maximum,
    vjp=lambda x, y, ct: (ct * (x >= y), ct * (y >= x)),
)
add(
    "maximum at a tie, first",
    "kink",
    (X, X),
    np.maximum,
    vjp=lambda x, y, ct: (ct * (x >= y), ct * (y > x)),
)
add(
    "clip at its bound",
    "kink",
    np.array([1.0, 0.2]),
    lambda x: np.clip(x, -1, 1),
    vjp=lambda x, ct: ct * (np.abs(x) <= 1),
)
add(
    "clip beyond its bound",
    "agrees",
    np.array([1.5, 0.2]),
    lambda x: np.clip(x, -1, 1),
    vjp=lambda x, ct: ct * (np.abs(x) <= 1),
)
add("norm at 0", "kink", np.zeros(3), norm, grad=lambda x: 0 * x)
add("norm at 0, too long", "wrong", np.zeros(3), norm, grad=lambda x: 0 * x + 1.0)
add(
    "hinge at its kink",
    "kink",
    np.array([1.0]),
    lambda x: np.maximum(1 - x, 0).sum(),
    grad=lambda x: -1.0 * (x < 1),
)
add(
    "x|x| at 0",
    "agrees",
    np.array([0.0, -1.0]),
    lambda x: np.sum(x * np.abs(x)),
    grad=lambda x: 2 * np.abs(x),
)
add(
    "x|x| at 0, wrong",
    "wrong",
    np.array([0.0, -1.0]),
    lambda x: np.sum(x * np.abs(x)),
    grad=lambda x: 2 * np.abs(x) + 0.01,
)
add(
    "huber at its corner",
    "agrees",
    np.array([1.0, 0.3]),
    lambda x: np.sum(np.where(np.abs(x) <= 1, x * x / 2, np.abs(x) - 0.5)),
    grad=lambda x: np.clip(x, -1, 1),
)
add(
    "median at a tie",
    "kink",
    np.array([1.0, 1.0, 1.0]),
    np.median,
    grad=lambda x: np.array([0.0, 1.0, 0.0]),
)
add("sort at a tie", "kink", np.array([1.0, 1.0]), np.sort, vjp=lambda x, ct: ct)
add("jump", "kink", np.array([1.0, 0.5]), np.floor, vjp=lambda x, ct: 0 * ct)
add(
    "where at its edge, smooth",
    "agrees",
    np.array([0.0, 1.0]),
    lambda x: np.where(x > 0, x**2, 0.0).sum(),
    grad=lambda x: np.where(x > 0, 2 * x, 0.0),
)

# ------------------------------------------------------------------------------- domain edges


def only_above(limit, f):
    def guarded(x):
        if np.any(x < limit):
            raise ValueError(f"below {limit}")
        return f(x)

    return guarded


add(
    "sqrt beside 0", "agrees", np.array([1e-300]), np.sqrt, vjp=lambda x, ct: ct * 0.5 / np.sqrt(x)
)
add(
    "sqrt beside 0, wrong",
    "wrong",
    np.array([1e-300]),
    np.sqrt,
    vjp=lambda x, ct: ct * 0.51 / np.sqrt(x),
)
add("log beside 0", "agrees", np.array([1e-8, 1e-300]), np.log, vjp=lambda x, ct: ct / x)
add(
    "log beside 0, wrong",
    "wrong",
    np.array([1e-8, 1e-300]),
    np.log,
    vjp=lambda x, ct: 1.001 * ct / x,
)
add(
    "power 3/2 at 0",
    "agrees",
    np.array([0.0, 1.0]),
    lambda x: x**1.5,
    vjp=lambda x, ct: ct * 1.5 * x**0.5,
)
add(
    "power 3/2 at 0, wrong",
    "wrong",
    np.array([0.0, 1.0]),
    lambda x: x**1.5,
    vjp=lambda x, ct: ct * (1.5 * x**0.5 + 0.1),
)
add(
    "sqrt at 0, infinite",
    "agrees",
    np.array([0.0, 1.0]),
    np.sqrt,
    vjp=lambda x, ct: ct * 0.5 / np.sqrt(x),
)
add(
    "raises below",
    "agrees",
    np.array([1.0, 2.0]),
    only_above(1.0, lambda x: np.sum(x * x)),
    grad=lambda x: 2 * x,
)
add(
    "raises below, wrong",
    "wrong",
    np.array([1.0, 2.0]),
    only_above(1.0, lambda x: np.sum(x * x)),
    grad=lambda x: 2.01 * x,
)
add(
    "square on half a line",
    "agrees",
    np.array([0.0]),
    only_above(0.0, lambda x: np.sum(x * x)),
    grad=lambda x: 2 * x,
)
add(
    "arcsin beside 1",
    "agrees",
    np.array([1 - 1e-10]),
    np.arcsin,
    vjp=lambda x, ct: ct / np.sqrt((1 - x) * (1 + x)),
)
add(
    "arccosh beside 1",
    "agrees",
    np.array([1 + 1e-8]),
    np.arccosh,
    vjp=lambda x, ct: ct / np.sqrt((x - 1) * (x + 1)),
)
add(
    "xlogx at 1e-20",
    "agrees",
    np.array([1e-20]),
    lambda x: x * np.log(x),
    vjp=lambda x, ct: ct * (np.log(x) + 1),
)

# ------------------------------------------------------------------------------- precision

SINGLE = X.astype(np.float32)


def single(x):
    return np.asarray(x, np.float32)


add(
    "float32",
    "agrees",
    SINGLE,
    lambda x: np.sum(np.exp(np.sin(x))),
    grad=lambda x: np.cos(x) * np.exp(np.sin(x)),
)
add(
    "float32, off by 1e-3",
    "wrong",
    SINGLE,
    lambda x: np.sum(np.exp(np.sin(x))),
    grad=lambda x: np.float32(1.001) * np.cos(x) * np.exp(np.sin(x)),
)
add(
    "float32 only",
    "agrees",
    SINGLE,
    lambda x: np.sum(np.exp(np.sin(single(x)))),
    grad=lambda x: np.cos(single(x)) * np.exp(np.sin(single(x))),
)
add(
    "float32 only, off by 1 %",
    "wrong",
    SINGLE,
    lambda x: np.sum(np.exp(np.sin(single(x)))),
    grad=lambda x: 1.01 * np.cos(single(x)) * np.exp(np.sin(single(x))),
)
add(
    "float32 within float64",
    "agrees",
    X,
    lambda x: np.tanh(single(x)),
    vjp=lambda x, ct: ct * (1 - np.tanh(single(x)) ** 2),
)
add(
    "float32 within float64, wrong",
    "wrong",
    X,
    lambda x: np.tanh(single(x)),
    vjp=lambda x, ct: ct * (1 - np.tanh(single(x))),
)
add(
    "float32 mean of many",
    "agrees",
    np.linspace(-1, 1, 300, dtype=np.float32),
    lambda x: np.mean(x * x),
    grad=lambda x: 2 * x / np.float32(x.size),
)
add(
    "float32 softmax",
    "agrees",
    SINGLE,
    lambda x: softmax(single(x)),
    vjp=lambda x, ct: softmax(single(x)) * (ct - ct @ softmax(single(x))),
)
add(
    "float32 with cancellation",
    ("agrees", "ill-conditioned"),
    SINGLE,
    lambda x: (np.float32(1e4) + single(x)) - np.float32(1e4),
    vjp=lambda x, ct: ct,
)
add("float32 abs at 0", "kink", np.zeros(1, np.float32), lambda x: np.abs(x).sum(), grad=np.sign)
add("float16", "agrees", X.astype(np.float16), lambda x: np.sum(x * x), grad=lambda x: 2 * x)
add("long double", "agrees", X.astype(np.longdouble), np.sin, vjp=lambda x, ct: ct * np.cos(x))
add("an offset of 1e16", "ill-conditioned", X, lambda x: np.sum(np.sin(x)) + 1e16, grad=np.cos)
add("an offset of 1e6", "agrees", X, lambda x: np.sum(np.sin(x)) + 1e6, grad=np.cos)
add(
    "an offset of 1e6, wrong",
    "wrong",
    X,
    lambda x: np.sum(np.sin(x)) + 1e6,
    grad=lambda x: 1.001 * np.cos(x),
)
add(
    "beyond resolution",
    "ill-conditioned",
    np.array([1e22]),
    np.sin,
    vjp=lambda x, ct: ct * np.cos(x),
)

# ------------------------------------------------------------------------------- scales

for scale in (1e-200, 1e-100, 1e-30, 1e-8, 1e8, 1e30, 1e100, 1e200):
    for name, factor, verdict in (("right", 1.0, "agrees"), ("wrong", 1.001, "wrong")):
        add(
            f"input {scale:g} {name}",
            verdict,
            X * scale,
            lambda x, s=scale: np.sin(x / s),
            vjp=lambda x, ct, s=scale, c=factor: c * ct * np.cos(x / s) / s,
        )
        add(
            f"output {scale:g} {name}",
            verdict,
            X,
            lambda x, s=scale: s * np.sum(np.sin(x)),
            grad=lambda x, s=scale, c=factor: c * s * np.cos(x),
        )
        add(
            f"zero {scale:g} {name}",
            verdict,
            np.zeros(2),
            lambda x, s=scale: np.sin(x / s),
            vjp=lambda x, ct, s=scale, c=factor: c * ct * np.cos(x / s) / s,
        )
MIXED = np.array([1e-150, 1.0, 1e150])
add("mixed scales", "agrees", MIXED, np.log, vjp=lambda x, ct: ct / x)
add(
    "mixed scales, wrong",
    "wrong",
    MIXED,
    np.log,
    vjp=lambda x, ct: ct / x * np.array([1.001, 1, 1]),
)
add(
    "squares of 1e150",
    "agrees",
    np.array([1e150, -2e150]),
    lambda x: np.sum(x * x),
    grad=lambda x: 2 * x,
)
add(
    "squares of 1e-150",
    "agrees",
    np.array([1e-150, -2e-150]),
    lambda x: np.sum(x * x),
    grad=lambda x: 2 * x,
)
add(
    "squares of 1e-150, wrong",
    "wrong",
    np.array([1e-150, -2e-150]),
    lambda x: np.sum(x * x),
    grad=lambda x: x,
)
add("rapid", "agrees", X, lambda x: np.sin(1e6 * x), vjp=lambda x, ct: 1e6 * ct * np.cos(1e6 * x))
add(
    "rapid, wrong",
    "wrong",
    X,
    lambda x: np.sin(1e6 * x),
    vjp=lambda x, ct: 1.001e6 * ct * np.cos(1e6 * x),
)

# ------------------------------------------------------------------------------- impure, random


def doubling(x):
    x *= 2
    return np.sum(x)


def sorting(x):
    x.sort()
    return x[0]


def rebinding(d):
    d["a"] = d["a"] * 2
    return np.sum(d["a"])


def overwriting_gradient(x):
    x[:] = 2 * x
    return x


def overwriting_vjp(x, ct):
    ct *= np.cos(x)
    return ct


add("doubles its input", "impure", X, doubling, grad=lambda x: 2 + 0 * x)
add("sorts its input", "impure", X, sorting, grad=lambda x: 1.0 * (x == x.min()))
add("rebinds an entry", "impure", {"a": X}, rebinding, grad=lambda d: {"a": 2 + 0 * d["a"]})
add(
    "the gradient overwrites its input",
    "impure",
    X,
    lambda x: np.sum(x * x),
    grad=overwriting_gradient,
)
add("the pullback overwrites the cotangent", "impure", X, np.sin, vjp=overwriting_vjp)


@jury("noise")
def _():
    rng = np.random.default_rng(0)
    return case("nondeterministic", X, lambda x: np.sum(x) + rng.normal(), grad=np.ones_like)


@jury("a little noise")
def _():
    rng = np.random.default_rng(0)
    return case(
        "nondeterministic", X, lambda x: np.sum(x) + 1e-9 * rng.normal(), grad=np.ones_like
    )


@jury("dropout")
def _():
    rng = np.random.default_rng(0)
    return case("nondeterministic", X, lambda x: x * (rng.random(3) < 0.5), vjp=lambda x, ct: ct)


@jury("seldom dropout")
def _():
    rng = np.random.default_rng(1)
    return case("nondeterministic", X, lambda x: x * (rng.random(3) < 0.9), vjp=lambda x, ct: ct)


@jury("a random gradient")
def _():
    rng = np.random.default_rng(0)
    return case("nondeterministic", X, np.sum, grad=lambda x: rng.normal(size=3))


@jury("counts its calls")
def _():
    calls = []

    def counting(x):
        calls.append(1)
        return np.sum(x) + len(calls)

    return case("nondeterministic", X, counting, grad=np.ones_like)


@jury("drifts")
def _():
    state = [1.0]

    def drifting(x):
        state[0] *= 1.0001
        return state[0] * np.sum(x)

    return case("nondeterministic", X, drifting, grad=np.ones_like)


@jury("a shape that changes from call to call")
def _():
    calls = []

    def growing(x):
        calls.append(1)
        return np.ones(len(calls)) * np.sum(x)

    return case("nondeterministic", X, growing, vjp=lambda x, ct: np.sum(ct) + 0 * x)


@jury("a value kept from the first call")
def _():
    kept = {}

    def cube(x):
        kept.setdefault("x", x.copy())
        return np.sum(x**3)

    return case("wrong", X, cube, grad=lambda x: 3 * kept["x"] ** 2)


@jury("a value kept from the last call")
def _():
    kept = {}

    def cube(x):
        kept["x"] = x.copy()
        return np.sum(x**3)

    return case("agrees", X, cube, grad=lambda x: 3 * kept["x"] ** 2)


@jury("a result buffer that is used again")
def _():
    buffer = np.empty(3)
    return case("agrees", X, lambda x: np.sin(x, out=buffer), vjp=lambda x, ct: ct * np.cos(x))


@jury("a gradient buffer that is used again")
def _():
    buffer = np.empty(3)
    return case("agrees", X, np.sin, vjp=lambda x, ct: np.multiply(ct, np.cos(x), out=buffer))


@jury("a gradient that adds up")
def _():
    total = np.zeros(3)

    def adding(x, ct):
        total[:] += ct * np.cos(x)
        return total

    return case(("wrong", "nondeterministic"), X, np.sin, vjp=adding)


# ------------------------------------------------------------------------------- bad input

add("nothing returned", "wrong", X, lambda x: None, grad=lambda x: x)
add("a string returned", "wrong", X, lambda x: "a", grad=lambda x: x)
add("complex returned", "wrong", X, lambda x: x * 1j, vjp=lambda x, ct: ct)
add("no gradient returned", "wrong", X, np.sum, grad=lambda x: None)
add("raises at the point", "wrong", X, only_above(9.0, np.sum), grad=np.ones_like)
add("NaN at the point", "ill-conditioned", X, np.log, vjp=lambda x, ct: ct / x)
add(
    "NaN in the input",
    "ill-conditioned",
    np.array([1.0, np.nan]),
    np.sin,
    vjp=lambda x, ct: ct * np.cos(x),
)
add(
    "infinite in the input",
    "ill-conditioned",
    np.array([1.0, np.inf]),
    np.exp,
    vjp=lambda x, ct: ct * np.exp(x),
)
add("overflow", "ill-conditioned", np.array([1e4]), np.exp, vjp=lambda x, ct: ct * np.exp(x))
add("integers", "agrees", np.arange(4), lambda x: np.sum(x**2), grad=lambda x: 2 * x)
add("integers, wrong", "wrong", np.arange(4), lambda x: np.sum(x**2), grad=lambda x: x)
add("integer results", "agrees", X, lambda x: 3, grad=np.zeros_like)
add(
    "an index beside",
    "agrees",
    (X, np.array([2, 0])),
    lambda x, i: x[i] ** 2,
    vjp=lambda x, i, ct: (np.bincount(i, 2 * x[i] * ct, 3), None),
)
add(
    "an index beside, wrong",
    "wrong",
    (X, np.array([2, 2])),
    lambda x, i: x[i] ** 2,
    vjp=lambda x, i, ct: (np.where(np.isin(np.arange(3), i), 2 * x * ct[0], 0.0), None),
)
add("size 0", "agrees", np.zeros((0, 3)), np.sum, grad=np.ones_like)
add("an output of size 0", "agrees", X, lambda x: x[:0], vjp=lambda x, ct: 0 * x)
add(
    "read-only",
    "agrees",
    np.broadcast_to(X, (2, 3)),
    lambda x: np.sum(x * x),
    grad=lambda x: 2 * x,
)
add(
    "not contiguous",
    "agrees",
    np.arange(12.0).reshape(3, 4).T[::2],
    lambda x: np.sum(x * x),
    grad=lambda x: 2 * x,
)
add(
    "a list of numbers",
    "agrees",
    [1.0, 2.0],
    lambda x: np.sum(np.square(x)),
    grad=lambda x: 2 * np.asarray(x),
)
add("a tuple around the gradient", "agrees", X, np.sin, vjp=lambda x, ct: (ct * np.cos(x),))
add(
    "a shape that depends on the values",
    ("agrees", "ill-conditioned", "kink"),
    np.array([0.5, -0.05]),
    lambda x: x[x > 0],
    vjp=lambda x, ct: np.array([ct[0], 0.0]),
)
add("complex gradient", "wrong", X, np.sum, grad=lambda x: np.ones(3) + 1j)
add("grad for a vector", "wrong", X, np.sin, grad=np.cos)
add(
    "a keyword missing",
    "wrong",
    {"a": X, "b": X},
    lambda d: np.sum(d["a"] * d["b"]),
    grad=lambda d: {"a": d["b"]},
)
add(
    "erf",
    "agrees",
    X,
    np.vectorize(math.erf),
    vjp=lambda x, ct: ct * 2 / np.sqrt(np.pi) * np.exp(-x * x),
)
