"""Running a function as one segment of machine code, next to the function itself."""

import numpy as np
from test_lowering import run

import autograd_core as ag
from autograd_core.compiler.native import lowers
from autograd_core.compiler.record import Trace
from autograd_core.modes import traced


def traces(function, *arrays):
    """Return a trace of a function of tensors, and its results."""
    trace = Trace(arrays)
    tensors = [ag.tensor(x) for x in arrays]
    for array, tensor in zip(arrays, tensors, strict=True):
        trace.same(tensor._value, array)
    with traced(trace), ag.no_grad(), np.errstate(all="ignore"):
        wanted = function(*tensors)
    return trace, wanted if isinstance(wanted, tuple) else (wanted,)


def compiled(function, *arrays, dtype="float32", names=None):
    """Run a function as one segment, and compare with the function.

    Several results share the time to compile; names say which of them is another one.
    """
    trace, wanted = traces(function, *arrays)
    assert [str(step) for step in trace.steps if not lowers(step, dtype)] == []
    values = [trace.value(x._value) for x in wanted]
    found = run(trace, arrays, values, dtype)
    for name, got, want in zip(names or range(len(found)), found, wanted, strict=True):
        assert got.dtype == want.dtype, name
        np.testing.assert_array_equal(got, want._value, f"result {name}")
