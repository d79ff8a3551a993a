"""`explain` says why a step is no machine code, at which line, and what to do."""

import numpy as np
import pytest

import autograd_core as ag
import nn
import optim

HERE = "test_explain.py:"
X = np.arange(1.0, 5.0)


def explained(function, *makers, calls=4, **options):
    compiled = ag.compile(function, **options)
    for i in range(calls):
        compiled(*[make(i) for make in makers or [lambda i: X + i]])
    return compiled.explain()


def lines(text, begin):
    """Return the lines about steps that run one by one for a reason, and what follows each."""
    rows = [row.strip() for row in text.splitlines()]
    found = [i for i, row in enumerate(rows) if row.startswith(f"one by one, {begin}: ")]
    assert len(found) == 1, text
    return rows[found[0]], rows[found[0] + 1] if found[0] + 1 < len(rows) else ""


def halves(x):
    return ag.sum(ag.exp(x.astype(np.float16)))


own = ag.primitive(lambda x: x * 2.0, register=False, nondiff="a test")
bent = ag.primitive(lambda x: x * 2.0, register=False, pointwise=True, nondiff="so")


def mixed(x):
    return ag.exp(ag.tanh(x)) + ag.sum(ag.tanh(x.astype(np.float32)) * 2.0)


CASES = {
    "too few": (ag.sum, "too few operations for a native function of their own", "sum", ""),
    "half": (halves, "no machine code for float16", "astype, exp, sum", "float32 or float64"),
    "two types": (mixed, "of two float types", "add", "Convert one of them"),
    "own": (lambda x: own(x), "an operation of your own without a loop", "<lambda>", "kernel="),
    "own elements": (
        lambda x: bent(ag.exp(x)),
        "an operation of your own without an expression",
        "<lambda>",
        "scalar=",
    ),
    "integers": (
        lambda x: ag.sum(ag.exp(x)) + ag.sum(ag.matmul(x.astype(int), x.astype(int))),
        "no machine code for it on integers",
        "matmul",
        "",
    ),
    "empty": (lambda x: ag.exp(x[:0]), "arrays without elements", "exp", ""),
}


@pytest.mark.parametrize(("function", "why", "names", "do"), CASES.values(), ids=CASES)
def test_a_reason_has_operation_line_and_advice(function, why, names, do):
    row, then = lines(explained(function), why)
    assert names in row and (HERE in row or function is ag.sum), row
    assert do in then


def test_nothing_native_is_no_reason_to_be_silent():
    text = explained(lambda x: ag.sum(ag.tanh(x) * 2.0), native=False)
    assert "native function" not in text.replace("native=False", "")
    row, _ = lines(text, "without machine code, as native=False says")
    assert "tanh, multiply, sum" in row


def test_many_lines_are_counted():
    def long(x):
        x = x.astype(np.float16)
        x = ag.exp(-x)
        x = ag.tanh(x)
        x = ag.sin(x)
        x = ag.cos(x)
        return ag.sum(x)

    row, _ = lines(explained(long), "no machine code for float16")
    assert row.count(HERE) == 4 and row.endswith("2 other lines")


def test_what_the_host_reads_and_what_it_computes_is_said():
    w = ag.tensor(np.ones(4), requires_grad=True)
    optimizer = optim.SGD([w], lr=0.1)
    optimizer.param_groups[0]["lr"] = 0.2

    def step(x):
        optimizer.zero_grad()
        loss = ag.sum(w * x)
        if loss < -1e9:
            return loss.detach()
        loss.backward()
        optimizer.step()
        return loss.detach()

    row, then = lines(explained(step), "read by the host")
    assert "guard at" in row and "in step" in row and "ag.where" in then


def test_random_numbers_are_said_to_be_drawn_beforehand():
    layer = nn.Dropout(0.5, rng=0)
    text = explained(lambda x: ag.sum(layer(x) * 2.0))
    assert "drawn beforehand: 1 array of random numbers" in text and "one by one" not in text


def test_what_waits_after_an_update_is_said():
    w = ag.tensor(np.eye(2) * 3.0, requires_grad=True)
    optimizer = optim.SGD([w], lr=0.1)

    def step(x):
        optimizer.zero_grad()
        ag.sum(w * x).backward()
        optimizer.step()
        return ag.linalg.inv(w.detach() * 2.0 + 1.0)

    text = explained(step, lambda i: np.eye(2) * (1.0 + i))
    row, _ = lines(text, "it might be given up, after an update")
    assert "inv" in row and "in step" in row


ADVICE = {
    "once": ((lambda x: ag.sum(x)), 1, "Call it again"),
    "numbers": ((lambda x: ag.sum(x) * np.random.default_rng().random()), 3, "Pass it as an"),
    "arrays": ((lambda x: x * np.random.default_rng().random(4)), 3, "or pass it"),
    "large": ((lambda x: bool((ag.exp(x[0]) * np.ones(9999)).numpy().sum() > 0.0)), 3, "ag.where"),
}


@pytest.mark.parametrize(("function", "calls", "do"), ADVICE.values(), ids=ADVICE)
def test_where_there_is_no_program_it_says_what_to_do(function, calls, do):
    text = explained(function, calls=calls)
    assert "no program: " in text and do in text.splitlines()[-1], text
