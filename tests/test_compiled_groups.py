"""`Compiled.check`: machine code that does something else than its operations is named."""

import inspect

import numpy as np
import pytest

import autograd_core as ag
import nn
import optim

X = np.random.default_rng(0).normal(size=(3, 4))


def op_with(forward, **facets):
    op = ag.primitive(forward, register=False, pointwise=True, **facets)
    ag.defvjp(op, x=lambda ct, x: ct * 2.0 * x)
    return op


def twice(x):
    return x * x


GOOD = op_with(twice, scalar="x * x")
BAD = op_with(twice, scalar="x * x * 1.001")


def compiled_with(op, last=lambda x: x):
    def function(x):
        h = ag.tanh(x)
        y = op(h) * 3.0  # here
        return ag.sum(y @ h.T) + last(ag.sum(ag.exp(y)))

    compiled = ag.compile(function, audit=False)
    return compiled


def run(compiled, *args):
    with ag.no_grad():
        for i in range(4):
            compiled(*(x + 0.01 * i for x in args))


def here(function):
    lines, first = inspect.getsourcelines(function)
    return f"{__file__}:{first + next(i for i, x in enumerate(lines) if '# here' in x)} in"


def test_machine_code_that_agrees():
    compiled = compiled_with(GOOD)
    run(compiled, X)
    with ag.no_grad():
        assert compiled.programs[0].segments and compiled.check(X) == []


def test_a_wrong_loop_is_named_by_operation_line_and_group():
    compiled = compiled_with(BAD)
    run(compiled, X)
    with ag.no_grad():
        (found,) = compiled.check(X)
    assert found.op == "twice" and found.line.startswith(here(compiled.function))
    assert {"twice", "tanh", "multiply"} <= set(found.group) and found.segment == 0
    assert found.got == pytest.approx(1.001 * found.want)
    assert compiled.programs[0].steps[found.step].op is BAD
    text = str(found)
    assert text.startswith("twice: machine code gives ")
    assert "native function 0 in the loop of" in text


def test_a_wrong_kernel_is_named():
    def kernel(*shapes, **attributes):
        loop = "    for i in range(x.size):\n        out[i] = x[i]\n"
        return f"def turned(x, out):\n{loop}    return True\n"

    op = ag.primitive(lambda x: np.flip(x).copy(), register=False, kernel=kernel)
    op.name = "turned"
    ag.defvjp(op, x=lambda ct: ag.flip(ct))
    compiled = compiled_with(op)
    run(compiled, X)
    with ag.no_grad():
        (found,) = compiled.check(X)
    assert found.op == "turned" and found.group == ("turned",)


def test_a_failed_gradient_check_names_the_group():
    report = ag.gradcheck(compiled_with(BAD), X)
    assert report.verdict == "nondeterministic" and "when it is recorded" in str(report)
    assert report.blame[0].startswith("twice: machine code gives "), report
    assert ag.gradcheck(compiled_with(GOOD), X)


def test_a_wrong_rule_in_a_compiled_function_is_named():
    op = ag.primitive(twice, register=False, pointwise=True, scalar="x * x")
    ag.defvjp(op, x=lambda ct, x: ct * 2.1 * x)
    compiled = compiled_with(op)
    report = ag.gradcheck(compiled, X)
    assert report.blame[0].startswith(
        f"twice: the rule for x is wrong (operation 1 of 9, {here(compiled.function)}"
    ), report


def test_a_training_step_is_checked_and_nothing_changes():
    rng = np.random.default_rng(0)
    model = nn.Sequential(
        nn.Linear(4, 5, rng=rng), nn.Dropout(0.5, rng=rng), nn.Linear(5, 3, rng=rng)
    )
    optimizer = optim.Adam(model.parameters())

    @ag.compile
    def step(x, y):
        optimizer.zero_grad()
        loss = nn.CrossEntropyLoss()(BAD(model(x)), y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    batches = [(rng.normal(size=(6, 4)), rng.integers(0, 3, 6)) for _ in range(5)]
    for batch in batches[:4]:
        step(*batch)
    assert step.programs
    before = [p.numpy().copy() for p in model.parameters()], rng.bit_generator.state
    (found,) = step.check(*batches[4])
    after = [p.numpy() for p in model.parameters()], rng.bit_generator.state
    assert found.op == "twice" and before[1] == after[1]
    for old, new in zip(before[0], after[0], strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_call_without_program_is_refused():
    with pytest.raises(
        ag.GraphError, match="check: arguments that a program takes, but got a call"
    ):
        ag.compile(ag.sum).check(X)
