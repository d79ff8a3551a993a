"""Every operation that is no expression of scalars has a native lowering that does the same."""

import os

import numpy as np
import pytest
from applications import applications, call, cast

import autograd_core as ag
from autograd_core.compiler.memory import Block, plan
from autograd_core.compiler.native import Segment, lowers
from autograd_core.compiler.record import Trace
from autograd_core.compiler.running import in_rows
from autograd_core.modes import traced

# Operations that run one by one inside a program, and why.
ISLANDS: dict[str, str] = {}

STRUCTURAL = [op for op in ag.OPS.values() if not op.pointwise]
TOGETHER = 10  # operations that share a function, because each takes its time to compile

# Types, layouts and which samples. The three do not meet in the lowerings, so that two ways see
# everything: each half of the samples in one of them.
THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
EVERY_WAY = [(d, f, slice(None)) for d in ("float32", "float64") for f in (False, True)]
TWO_WAYS = [("float32", False, slice(0, None, 2)), ("float64", True, slice(1, None, 2))]


def recorded(cases, flipped=False, given=True):
    """Return a trace of operations, and the results as they should be.

    A case is an op, operands and attributes. Flipped operands are read by columns. Operands are
    given at each call, or known by address, which is less to compile.
    """
    arrays = [np.ascontiguousarray(x.T) if flipped else x for _, o, _ in cases for x in o]
    trace = Trace(arrays if given else [])
    tensors = [ag.tensor(x) for x in arrays]
    for array, tensor in zip(arrays, tensors, strict=True):
        trace.same(tensor._value, array)
    wanted, results = [], []
    left = iter(tensors)
    with traced(trace), ag.no_grad():
        for op, operands, attributes in cases:
            own = [next(left) for _ in operands]
            own = [ag.transpose(x) if flipped else x for x in own]
            result = call(op, own, attributes)
            results.append(trace.value(result._value))
            wanted.append(result._value.copy())
    return trace, arrays if given else [], results, wanted


def run(trace, arrays, results, dtype):
    """Run recorded steps as one segment."""
    segment = Segment(trace.steps, set(results), dtype)
    arena = segment.arena()
    by_value = dict(zip(trace.inputs, arrays, strict=True))
    given = [in_rows(by_value[v]) for v in segment.arrays]
    assert segment.run(*given, arena.table) == 0, segment.reasons
    found = dict(zip(segment.results, arena.views, strict=True))
    return [found.get(value, by_value.get(value)) for value in results]


@pytest.mark.parametrize(("dtype", "flipped", "part"), EVERY_WAY if THOROUGH else TWO_WAYS)
@pytest.mark.parametrize("start", range(0, len(STRUCTURAL), TOGETHER))
def test_a_lowering_does_what_the_operation_does(start, dtype, flipped, part):
    native = [op for op in STRUCTURAL[start : start + TOGETHER] if op.name not in ISLANDS]
    cases = [(op, cast(o, dtype), a) for op in native for o, a in applications(op)[part]]
    trace, arrays, results, wanted = recorded(cases, flipped, given=start == 0)
    assert [str(step) for step in trace.steps if not lowers(step, dtype)] == []
    found = run(trace, arrays, results, dtype)
    for (op, *_), got, want in zip(cases, found, wanted, strict=True):
        close(got, want, np.finfo(dtype).eps, op.name)


@pytest.mark.parametrize("name", ISLANDS)
def test_what_runs_by_itself_has_no_lowering(name):
    trace, *_ = recorded([(ag.OPS[name], o, a) for o, a in applications(ag.OPS[name])])
    own = [step for step in trace.steps if step.op is ag.OPS[name]]
    assert not all(lowers(step, "float64") for step in own), "it lowers: strike it from ISLANDS"


def close(got, want, eps, name=""):
    assert (got.shape, got.dtype) == (want.shape, want.dtype), name
    if want.dtype.kind != "f":
        np.testing.assert_array_equal(got, want, name)
        return
    scale = np.abs(want[np.isfinite(want)]).max(initial=1.0)
    np.testing.assert_allclose(got, want, rtol=8 * eps, atol=8 * eps * scale, err_msg=name)


def test_nineteen_of_twenty_operations_are_machine_code():
    assert len(ISLANDS) <= len(ag.OPS) // 20


def test_blocks_that_live_at_the_same_moment_do_not_overlap():
    rng = np.random.default_rng(0)
    for _ in range(200):
        firsts = np.sort(rng.integers(0, 30, 40))
        sizes = 64 * rng.integers(1, 9, 40)
        blocks = [
            Block(int(s), int(f), int(f + n))
            for s, f, n in zip(sizes, firsts, rng.integers(0, 9, 40), strict=True)
        ]
        offsets, size = plan(blocks)
        assert size <= sizes.sum()
        for i, one in enumerate(blocks):
            assert offsets[i] + one.size <= size
            for j, two in enumerate(blocks[:i]):
                if one.first <= two.last and two.first <= one.last:
                    apart = offsets[i] + one.size <= offsets[j]
                    assert apart or offsets[j] + two.size <= offsets[i]
