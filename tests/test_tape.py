"""The tape: order, what it shows, what it releases, threads, depth, and where errors point to."""

import gc
import os
import re
import subprocess
import sys
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import autograd_core as ag

ROOT = Path(__file__).resolve().parent.parent


def leaf(data=(1.0, 2.0)):
    return ag.tensor(np.array(data), requires_grad=True)


# ------------------------------------------------------------------------ order and looks


def test_nodes_are_in_order_of_creation_and_operands_come_first():
    before = len(ag.tape())
    x = leaf()
    y = ag.sin(x) * x
    z = (y + x).sum()
    nodes = list(ag.tape())[before:]
    names = [getattr(node.op, "name", "leaf") for node in nodes]
    assert names == ["leaf", "sin", "multiply", "add", "sum"]
    assert len(ag.tape()) == before + 5
    positions = [node.position for node in nodes]
    assert positions == sorted(positions)
    for node in nodes:
        assert all(parent.position < node.position for parent, _, _ in node.edges)
    assert ag.tape()[-1] is z.node and ag.tape()[before] is x.node


def test_printed_tape_shows_position_op_operands_and_shapes():
    gc.collect()
    before = len(ag.tape())
    x = leaf(np.ones((2, 3)))
    y = leaf(np.ones(3))
    z = ag.tanh(x * y).sum()
    rows = str(ag.tape()).splitlines()
    assert all(word in rows[0] for word in ("op", "operands", "shape"))
    cells = [re.split(r"\s{2,}", row.strip()) for row in rows[1 + before :]]
    n = before
    assert [row[:2] for row in cells] == [
        [str(n), "leaf"],
        [str(n + 1), "leaf"],
        [str(n + 2), "multiply"],
        [str(n + 3), "tanh"],
        [str(n + 4), "sum"],
    ]
    assert cells[2][2] == f"{n} {n + 1}" and cells[3][2] == str(n + 2)
    assert "(2, 3)" in rows[1 + before + 2] and "float64" in rows[-1]
    assert z.requires_grad


def test_printed_tape_of_a_released_graph():
    x = leaf()
    y = (x * x).sum()
    y.backward()
    assert "released" in str(ag.tape())


# ----------------------------------------------------------------------------- no leaks


def test_a_forward_pass_that_nobody_differentiates_leaves_nothing_behind():
    x, w = leaf(np.ones(50)), leaf(np.ones(50))

    def forward():
        return ag.tanh(ag.sin(x) * w + x).sum().item()

    forward()
    gc.collect()
    nodes = len(ag.tape())
    tracemalloc.start()
    try:
        for _ in range(1_000):
            forward()
        gc.collect()
        start, _ = tracemalloc.get_traced_memory()
        for _ in range(10_000):
            forward()
        gc.collect()
        end, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(ag.tape()) == nodes
    assert end - start < 20_000  # 2 bytes a pass: what tests before have left behind may move
    assert peak - start < 300_000


def test_training_steps_leave_nothing_behind():
    x = leaf(np.ones(10))
    gc.collect()
    nodes = len(ag.tape())
    for _ in range(100):
        x.grad = None
        (x * x).sum().backward()
    gc.collect()
    assert len(ag.tape()) == nodes


def test_memory_does_not_wait_for_the_garbage_collector():
    x = leaf()
    nodes = len(ag.tape())
    gc.disable()
    try:
        for _ in range(10):
            (ag.sin(x) * x).sum()
        assert len(ag.tape()) == nodes
        for _ in range(10):
            (ag.sin(x) * x).sum().backward()
        assert len(ag.tape()) == nodes
    finally:
        gc.enable()


def test_results_of_transforms_do_not_keep_their_recording():
    nodes = len(ag.tape())
    gradient = ag.grad(lambda x: ag.sum(ag.sin(x) * x))(np.ones(3))
    gc.collect()
    assert isinstance(gradient, np.ndarray) and len(ag.tape()) == nodes


# -------------------------------------------------------------------------------- depth

CHAIN = """
import sys
import autograd_core as ag
sys.setrecursionlimit(120)
x = ag.tensor(1.0, requires_grad=True)
y = x
for _ in range({length}):
    y = y + x
y.backward()
assert x.grad == {length} + 1, x.grad
y = x * 1.0
for _ in range({length}):
    y = y * 1.0
del y  # a long chain is taken down without recursion, too
y = x * 1.0
for _ in range({length}):
    y = y * 1.0
y.backward(retain_graph=True)
del y
"""


def test_a_long_chain_needs_no_recursion():
    thorough = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
    program = CHAIN.format(length=10**6 if thorough else 10**5)
    command = [sys.executable, "-W", "error", "-c", program]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]


def test_transforms_of_a_long_chain_need_no_recursion():
    def f(x):
        for _ in range(3_000):
            x = x * 1.0001
        return x

    slope = 1.0001**3_000
    limit = sys.getrecursionlimit()
    assert limit < 3_000
    np.testing.assert_allclose(ag.grad(f)(2.0), slope)
    np.testing.assert_allclose(ag.jvp(f, (2.0,), (1.0,))[1], slope)
    np.testing.assert_allclose(ag.grad(lambda x: ag.grad(f)(x) * x)(2.0), slope)


# ------------------------------------------------------------------------------ threads


def test_each_thread_has_its_own_tape():
    x = leaf()
    mine = len(ag.tape())
    seen = {}

    def elsewhere():
        seen["before"] = len(ag.tape())
        y = ag.sin(leaf())
        seen["after"] = len(ag.tape())
        seen["keep"] = y

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert (seen["before"], seen["after"]) == (0, 2)
    assert len(ag.tape()) == mine and x.requires_grad


def test_no_grad_is_a_matter_of_the_thread():
    x = leaf()
    inside, go_on = threading.Event(), threading.Event()

    def elsewhere():
        with ag.no_grad():
            inside.set()
            go_on.wait(10)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    inside.wait(10)
    assert (x * 2.0).requires_grad
    go_on.set()
    thread.join()


def test_tensors_can_be_shared_between_threads():
    w = ag.tensor(np.linspace(0.5, 1.5, 4), requires_grad=True)
    shared = ag.sin(w)  # made in this thread, used in the others

    def work(seed):
        x = np.random.default_rng(seed).normal(size=(20, 4))
        for _ in range(30):
            gradient = ag.grad(lambda w, x=x: ag.sum(ag.tanh(x * w) + 0.0 * shared.detach()))(
                w.numpy()
            )
        value = (shared * x).sum()
        value.backward(retain_graph=True)
        return x, gradient

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(work, range(8)))
    for x, gradient in found:
        want = (x / np.cosh(x * w.numpy()) ** 2).sum(axis=0)
        np.testing.assert_allclose(gradient, want, rtol=1e-12)


def test_a_graph_made_in_one_thread_is_swept_in_another():
    x = leaf()
    y = (ag.sin(x) * x).sum()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(y.backward).result()
    np.testing.assert_allclose(x.grad, np.cos([1.0, 2.0]) * [1.0, 2.0] + np.sin([1.0, 2.0]))


def test_many_threads_train_at_once():
    def train(seed):
        rng = np.random.default_rng(seed)
        w = ag.tensor(rng.normal(size=3), requires_grad=True)
        x = rng.normal(size=(5, 3))
        for _ in range(50):
            w.grad = None
            ag.square(x @ w).sum().backward()
            with ag.no_grad():
                w -= 0.01 * w.grad
        return w.numpy().copy()

    with ThreadPoolExecutor(8) as pool:
        parallel = list(pool.map(train, range(16)))
    for seed, result in enumerate(parallel):
        np.testing.assert_array_equal(result, train(seed))


# ------------------------------------------------------------------- release, and blame


def test_a_released_graph_says_so_and_retain_graph_keeps_it():
    x = leaf()
    y = ag.sin(x)
    z = y.sum()
    z.backward(retain_graph=True)
    z.backward()
    np.testing.assert_allclose(x.grad, 2 * np.cos([1.0, 2.0]))
    with pytest.raises(ag.GraphError, match="retain_graph=True"):
        z.backward()
    with pytest.raises(ag.GraphError, match="released"):
        (y * 2.0).sum().backward()  # a new result on the old graph
    np.testing.assert_allclose(x.grad, 2 * np.cos([1.0, 2.0]))


def test_release_frees_what_was_remembered():
    x = leaf(np.ones(100_000))
    y = ag.sin(ag.cos(x)).sum()
    tracemalloc.start()
    y.backward()
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 1_000_000  # the gradient of 800 000 bytes, and no more
    assert y.node.op.name == "sum"


def here():
    return sys._getframe(1).f_lineno


def test_a_node_names_the_users_line():
    x = leaf()
    y, line = ag.sin(x), here()
    assert f"test_tape.py:{line} in test_a_node_names_the_users_line" in y.node.line
    z, line = np.exp(x) @ x, here()
    assert f"test_tape.py:{line} " in z.node.line + " "
    w, line = x[:1].mean(), here()
    assert f"test_tape.py:{line} " in w.node.line + " "
    v, line = ag.std(x), here()
    assert f"test_tape.py:{line} " in v.node.line + " "


@ag.primitive(pointwise=True, register=False)
def awkward(x):
    """The number itself; the rule always fails."""
    return np.positive(x)


def failing_rule(ct):
    raise ZeroDivisionError("the rule went wrong")


ag.defvjp(awkward, x=failing_rule)


def test_an_error_in_a_sweep_carries_the_forward_line():
    x = leaf()
    y, line = awkward(x), here()
    z = (ag.sin(y) * 2.0).sum()
    with pytest.raises(ZeroDivisionError, match="the rule went wrong") as caught:
        z.backward()
    (note,) = caught.value.__notes__
    assert "awkward" in note and f"test_tape.py:{line} " in note
    assert x.grad is None


def test_a_failed_sweep_can_be_repeated():
    x = leaf()
    y = awkward(x).sum()
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            y.backward()


def test_no_grad_as_context_and_as_decorator():
    x = leaf()

    @ag.no_grad()
    def value(x, depth):
        return value(x, depth - 1) if depth else x * 2.0

    with ag.no_grad():
        assert not (x * 2.0).requires_grad
    assert not value(x, 3).requires_grad
    assert (x * 2.0).requires_grad
    with pytest.raises(RuntimeError), ag.no_grad():
        raise RuntimeError
    assert (x * 2.0).requires_grad


def test_composites_leave_no_cycles_for_the_collector():
    x = ag.tensor(np.ones((3, 1, 4)), requires_grad=True)
    functions = (ag.squeeze, lambda x: ag.dot(x, x[0].T), lambda x: ag.pad(x, 1), ag.median)
    for function in functions:
        function(x)
        gc.collect()
        gc.disable()
        try:
            before = len(gc.get_objects())
            for _ in range(10):
                function(x)
            assert len(gc.get_objects()) < before + 10
        finally:
            gc.enable()
