"""Every operation obeys every law: the product of `OPS` and `LAWS`, and random shapes beside."""

import os
import subprocess
import sys

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from applications import applications, draw
from hypothesis import given
from hypothesis import strategies as st
from laws import LAWS
from truths import truth

import autograd_core as ag
from autograd_core.domains import Distinct

OPS = list(ag.OPS.values())
NAMES = list(ag.OPS)
SEEDS = st.integers(0, 2**32 - 1)


def excepted(op, name):
    return name in op.facets.get("except_laws", {})


def obey(op, name, operands, attributes):
    """Run one law, and name it and the application where it is broken."""
    try:
        LAWS[name](op, operands, attributes)
    except Exception as error:
        shapes = ", ".join(str(np.shape(x)) for x in operands)
        error.add_note(f"the law {name!r} for {op.name}({shapes}, {attributes})")
        raise


@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize("op", OPS, ids=NAMES)
def test_law(op, name):
    if excepted(op, name):
        assert op.facets["except_laws"][name], "an exception needs a reason"
        return
    for operands, attributes in applications(op):
        obey(op, name, operands, attributes)


@st.composite
def any_application(pick, op):
    """Draw an application of `op`, with any shapes that its declaration lets us know of."""
    seed = pick(SEEDS)
    rng = np.random.default_rng(seed)
    if op.pointwise and "samples" not in op.facets:
        return draw(op, rng, pick(broadcastable(len(op.operands))))
    if {"axis", "keepdims"} <= op.attributes.keys() and not op.nondiff:
        return pick(reductions(op, rng))
    if list(op.attributes) == ["axis"] and len(op.operands) == 1 and not op.variadic:
        return pick(along_an_axis(op, rng))
    if list(op.attributes) == ["axes"]:
        x = rng.uniform(-2.0, 2.0, pick(hnp.array_shapes(min_dims=0, max_dims=4, max_side=3)))
        order = pick(st.permutations(range(x.ndim)))
        return (x,), {"axes": tuple(i - pick(st.sampled_from((0, x.ndim))) for i in order)}
    if list(op.attributes) == ["index"]:
        x = rng.uniform(-2.0, 2.0, pick(hnp.array_shapes(max_dims=3, max_side=4)))
        index = pick(indices(x.shape))
        return (x, 2 * x[index])[: len(op.operands)], {"index": index}
    if "signature" in op.facets and not op.attributes and pick(st.booleans()):
        shapes = hnp.mutually_broadcastable_shapes(
            signature=op.facets["signature"], max_dims=0, min_side=0, max_side=4
        )
        return tuple(rng.uniform(-2.0, 2.0, s) for s in pick(shapes).input_shapes), {}
    return pick(st.sampled_from(applications(op, seed)))


def broadcastable(count):
    shapes = hnp.mutually_broadcastable_shapes(
        num_shapes=count, min_side=0, max_side=4, max_dims=3
    )
    return shapes.map(lambda found: found.input_shapes)


@st.composite
def along_an_axis(pick, op, rng):
    x = Distinct().sample(rng, pick(hnp.array_shapes(max_dims=3, max_side=4)))
    if pick(st.booleans()):
        x = np.where(rng.random(x.shape) < 0.3, 0.0, x)
    whole = st.just(op.attributes["axis"])  # the default may mean all elements
    return (x,), {"axis": pick(st.one_of(whole, st.integers(-x.ndim, x.ndim - 1)))}


@st.composite
def reductions(pick, op, rng):
    shape = pick(hnp.array_shapes(min_dims=0, max_dims=3, max_side=4))
    several = hnp.valid_tuple_axes(len(shape)) if shape else st.just(())
    one = st.integers(-len(shape), len(shape) - 1) if shape else st.none()
    attributes = {
        "axis": pick(st.one_of(st.none(), one, several)),
        "keepdims": pick(st.booleans()),
    }
    x = Distinct().sample(rng, shape)
    if "ddof" in op.attributes and np.size(x) >= 2 and attributes["axis"] is None:
        attributes["ddof"] = pick(st.integers(0, 1))
    return (x,), attributes


def indices(shape):
    return st.one_of(
        hnp.basic_indices(shape, allow_newaxis=True),
        hnp.integer_array_indices(shape, result_shape=hnp.array_shapes(max_dims=2, max_side=3)),
        hnp.arrays(bool, shape),
        hnp.arrays(bool, shape[:1]),
        st.lists(st.integers(-shape[0], shape[0] - 1), min_size=1, max_size=4),
    )


@pytest.mark.parametrize("op", OPS, ids=NAMES)
@given(data=st.data())
def test_all_laws_at_random_shapes(op, data):
    operands, attributes = data.draw(any_application(op))
    for name in LAWS:
        if not excepted(op, name):
            obey(op, name, operands, attributes)


def test_there_are_at_least_sixty_ops():
    public = [op for op in OPS if not op.facets.get("internal")]
    assert len(public) >= 60


@pytest.mark.parametrize("op", OPS, ids=NAMES)
def test_declaration_is_complete(op):
    assert op.__doc__ and op.__doc__.strip(), "an op has a docstring line"
    rules = set(op.rules)
    assert bool(op.nondiff) != bool(rules), "an op has rules, or says why it has no derivative"
    assert op.pointwise or "samples" in op.facets, "what is not elementwise says what to try"
    assert set(op.facets.get("except_laws", {})) <= set(LAWS)


# ------------------------------------------------------------ kernels without compilation

DUMP = """
import sys, numpy as np
sys.path.insert(0, "tests")
import autograd_core as ag
from applications import applications, backward, call, cast

found = {}
for op in ag.OPS.values():
    for i, (operands, attributes) in enumerate(applications(op)):
        for kind in (np.float32, np.float64):
            given = cast(operands, kind)
            parts = [call(op, given, attributes)]
            parts += backward(op, given, attributes)[1] if op.nondiff is None else []
            for j, part in enumerate(parts):
                found[f"{op.name}|{i}|{np.dtype(kind)}|{j}"] = part
np.savez(sys.argv[1], **found)
"""


@pytest.fixture(scope="module")
def dumps(tmp_path_factory):
    """Return every value and cotangent, computed with and without compilation."""
    folder = tmp_path_factory.mktemp("kernels")
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    found = []
    for flag in ("0", "1"):
        target = folder / f"{flag}.npz"
        environment = os.environ | {"NUMBA_DISABLE_JIT": flag, "PYTHONPATH": root}
        command = [sys.executable, "-W", "error", "-c", DUMP, str(target)]
        subprocess.run(command, cwd=root, env=environment, check=True, timeout=300)
        with np.load(target) as arrays:
            found.append(dict(arrays))
    return found


def test_kernels_give_the_same_without_compilation(dumps):
    jitted, plain = dumps
    assert jitted.keys() == plain.keys() and len(jitted) > 200
    for name, value in jitted.items():
        unit = np.finfo(value.dtype).eps if value.dtype.kind == "f" else 0.0
        np.testing.assert_allclose(value, plain[name], rtol=8 * unit, atol=unit, err_msg=name)


SEVERAL = [op for op in OPS if op.pointwise and len(op.operands) > 1]


@pytest.mark.parametrize("op", SEVERAL, ids=[op.name for op in SEVERAL])
def test_shapes_that_numpy_refuses_are_refused(op):
    operands = [np.ones(2 + (i == 1)) for i in range(len(op.operands))]
    leaves = [ag.tensor(x, requires_grad=True) for x in operands]
    for function, arguments in ((truth(op), operands), (op, operands), (op, leaves)):
        with pytest.raises(ValueError, match=r"\([23],\).*\([23],\)"):
            function(*arguments)
