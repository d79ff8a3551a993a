"""Every operation that is no expression of scalars has a native lowering that does the same."""

import os

import numpy as np
import pytest
from applications import applications, call, cast

import autograd_core as ag
from autograd_core.compiler.memory import Block, plan
from autograd_core.compiler.native import Segment, lowers
from autograd_core.compiler.record import Apply, Trace
from autograd_core.compiler.running import in_rows
from autograd_core.modes import traced

# Operations that run one by one inside a program, and why.
ISLANDS: dict[str, str] = {}

STRUCTURAL = [op for op in ag.OPS.values() if not op.pointwise]


# Type and layout; each is compiled, which takes a second.
COMBINATIONS = [("float32", False), ("float64", True)]
if os.environ.get("HYPOTHESIS_PROFILE") == "thorough":
    COMBINATIONS += [("float32", True), ("float64", False)]


def recorded(op, samples, flipped):
    """Return a trace of all samples of an op, and the results as they should be."""
    arrays = [np.ascontiguousarray(x.T) if flipped else x for o, _ in samples for x in o]
    trace = Trace(arrays)
    given = iter(ag.tensor(x) for x in arrays)
    tensors = []
    for array in arrays:
        tensor = next(given)
        trace._known[id(tensor._value)] = trace._known[id(array)]
        trace._alive.append(tensor._value)
        tensors.append(tensor)
    wanted, results = [], []
    left = iter(tensors)
    with traced(trace), ag.no_grad():
        for operands, attributes in samples:
            own = [next(left) for _ in operands]
            own = [ag.transpose(x) if flipped else x for x in own]
            result = call(op, own, attributes)
            results.append(trace.value(result._value))
            wanted.append(result._value.copy())
    return trace, arrays, results, wanted


def run(trace, arrays, results, dtype):
    """Run recorded steps as one segment."""
    segment = Segment(trace.steps, set(results), dtype)
    arena = segment.arena()
    by_value = dict(zip(trace.inputs, arrays, strict=True))
    given = [in_rows(by_value[v]) for v in segment.arrays]
    for function in segment.functions:
        rounds = [0, function.extent] * bool(function.extent)
        assert function.call(*given, arena.table, *rounds) == 0, segment.reasons
        given = []
    found = dict(zip(segment.results, arena.views, strict=True))
    return [found.get(value, by_value.get(value)) for value in results]


@pytest.mark.parametrize(("dtype", "flipped"), COMBINATIONS)
@pytest.mark.parametrize("op", STRUCTURAL, ids=[op.name for op in STRUCTURAL])
def test_a_lowering_does_what_the_operation_does(op, dtype, flipped):
    samples = [(cast(o, dtype), a) for o, a in applications(op)]
    trace, arrays, results, wanted = recorded(op, samples, flipped)
    steps = [step for step in trace.steps if isinstance(step, Apply) and step.op is op]
    if op.name in ISLANDS:
        assert not all(lowers(step, dtype) for step in steps), "it lowers: strike it from ISLANDS"
        return
    assert all(lowers(step, dtype) for step in trace.steps), f"{op.name} has no lowering"
    for got, want in zip(run(trace, arrays, results, dtype), wanted, strict=True):
        close(got, want, np.finfo(dtype).eps)


def close(got, want, eps):
    assert (got.shape, got.dtype) == (want.shape, want.dtype)
    if want.dtype.kind != "f":
        np.testing.assert_array_equal(got, want)
        return
    scale = np.abs(want[np.isfinite(want)]).max(initial=1.0)
    np.testing.assert_allclose(got, want, rtol=8 * eps, atol=8 * eps * scale)


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
