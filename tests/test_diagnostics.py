"""Tables and pictures of a tape, and the precision of a step, against values known by hand."""

import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from applications import applications, call

import autograd_core as ag
import nn
from autograd_core.diagnostics.layout import Layout
from autograd_core.diagnostics.reading import Reading
from autograd_core.diagnostics.report import share, size
from autograd_core.errors import (
    DTypeError,
    GraphError,
    MutationError,
    ShapeError,
    UnknownNameError,
)

table, draw, precision = ag.diagnostics.table, ag.diagnostics.draw, ag.diagnostics.precision


def small():
    x = ag.tensor([-1.0, 0.0, 2.0, 3.0], requires_grad=True)
    return x, ag.sum(ag.relu(x) * 3.0)


# ------------------------------------------------------------------------------- the table


def test_the_table_of_a_small_tape():
    x, loss = small()
    rows = table(loss).records
    assert [row["op"] for row in rows] == ["leaf", "relu", "multiply", "sum"]
    assert [row["reads"] for row in rows] == [[], [0], [1], [2]]
    assert [row["shape"] for row in rows] == [(4,), (4,), (4,), ()]
    assert [row["bytes"] for row in rows] == [0, 32, 0, 0]  # relu keeps x; 3.0 is no array
    leaf, relu, product, total = rows
    assert (leaf["value_min"], leaf["value_mean"], leaf["value_max"]) == (-1.0, 1.0, 3.0)
    assert (relu["value_zeros"], relu["cotangent_zeros"]) == (0.5, 0.0)
    assert (leaf["cotangent_min"], leaf["cotangent_max"]) == (0.0, 3.0)
    assert (leaf["cotangent_mean"], leaf["cotangent_zeros"]) == (1.5, 0.5)
    assert product["value_max"] == 9.0
    assert (total["value_min"], total["cotangent_max"]) == (15.0, 1.0)
    assert x.grad is None
    loss.backward()  # the tape remains
    assert x.grad.tolist() == [0.0, 0.0, 3.0, 3.0]


def test_values_that_nobody_holds_are_not_invented():
    x = ag.tensor([1.0, 2.0], requires_grad=True)
    rows = table(ag.sum((x + 5.0) - 2.0))
    assert [row["value_min"] for row in rows] == [1.0, None, None, 9.0]
    assert "2 values that nobody holds" in str(rows) and "pass a function" in str(rows)
    known = table(lambda: ag.sum((x + 5.0) - 2.0))
    assert [row["value_min"] for row in known] == [1.0, 6.0, 4.0, 9.0]
    assert all(row["forward_seconds"] > 0 for row in known.records[1:])
    assert "nobody" not in str(known)


def test_a_leaf_made_within_a_function_keeps_its_value():
    x, constant = ag.tensor([1.0, 2.0], requires_grad=True), ag.tensor([0.0, 0.0])

    def f():
        doubled = x * 2.0
        ag.exp(constant)  # recorded nowhere
        return ag.sum(doubled * ag.tensor([5.0, 6.0], requires_grad=True))

    assert [row["value_max"] for row in table(f)] == [2.0, 4.0, 6.0, 24.0, 34.0]


def test_an_operation_whose_operands_are_known_is_computed_again():
    w = ag.tensor(np.eye(2), requires_grad=True)
    x = ag.tensor([[1.0, 2.0]], requires_grad=True)
    rows = {row["op"]: row for row in table(ag.sum(ag.exp((x @ w).reshape((2,)))))}
    assert rows["matmul"]["value_max"] == 2.0
    assert rows["reshape"]["value_min"] == 1.0
    assert np.isclose(rows["sum"]["value_max"], np.exp([1.0, 2.0]).sum())


@pytest.mark.parametrize("op", [op for op in ag.OPS.values() if not op.nondiff], ids=str)
def test_what_is_computed_again_is_what_was_recorded(op):
    for operands, attributes in applications(op):
        given = [ag.tensor(x, requires_grad=np.asarray(x).dtype.kind == "f") for x in operands]
        out = call(op, given, attributes)
        recorded, node = out.numpy().copy(), out.node
        total = ag.sum(out + 0.0)
        del out
        reading = Reading("test", total)
        assert op.variadic or op.attributes or node in reading.values
        if node in reading.values:
            assert np.array_equal(reading.values[node], recorded, equal_nan=True)


def test_memory_that_nodes_share_counts_once():
    x = ag.tensor(np.ones(8), requires_grad=True)
    rows = table(ag.sum(ag.sin(x) + ag.cos(x)))
    assert [row["bytes"] for row in rows] == [0, 64, 64, 0, 0]
    assert "5 nodes; 64 B kept" in str(rows)


def test_leaves_trained_since_are_not_shown_as_they_are_now():
    x = ag.tensor([1.0, 2.0], requires_grad=True)
    loss = ag.sum(x + 1.0)
    x.assign([7.0, 8.0])
    assert table(loss)[0]["value_min"] is None
    y = ag.sum(x * x)
    x.assign([1.0, 2.0])
    with pytest.raises(MutationError, match="multiply"):
        table(y)


def test_infinities_and_nan_are_counted():
    x = ag.tensor([0.0, 0.0, 1.0, 4.0], requires_grad=True)
    with np.errstate(divide="ignore"):
        rows = {row["op"]: row for row in table(lambda: ag.sum(ag.log(x)))}
    assert rows["log"]["value_nonfinite"] == 0.5
    assert rows["log"]["value_min"] == 0.0  # of the finite ones
    assert rows["leaf"]["cotangent_nonfinite"] == 0.5
    with np.errstate(divide="ignore"):
        assert "not finite" in str(table(lambda: ag.sum(ag.log(x))))
    assert "not finite" not in str(table(lambda: ag.sum(x)))


def test_strong_zeros_are_swept_as_backward_does():
    x = ag.tensor([0.0, 0.0], requires_grad=True)
    rows = table(ag.sqrt(ag.sum(x * x)))
    assert rows[0]["cotangent_max"] == 0.0 and rows[0]["cotangent_nonfinite"] == 0.0


def test_empty_arrays_and_seeds():
    x = ag.tensor(np.zeros((0, 3)), requires_grad=True)
    rows = table(ag.sum(x))
    assert rows[0]["value_mean"] is None and rows[1]["value_mean"] == 0.0
    y = ag.tensor([1.0, 2.0], requires_grad=True)
    assert table(y * y, seed=[1.0, 10.0])[0]["cotangent_max"] == 40.0


def test_a_function_with_arguments_float32_and_lines():
    model = nn.MLP([2, 4, 1], rng=0)
    x = np.ones((5, 2), np.float32)
    rows = table(lambda x: ag.mean(model(x) ** 2), x)
    assert {row["dtype"] for row in rows} == {"float32"}
    assert all("test_diagnostics.py" in row["line"] for row in rows)
    assert all(row["value_min"] is not None for row in rows)
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize("wrapped", [lambda f: f, ag.compile])
def test_floating_arguments_are_leaves_where_there_is_no_other(wrapped):
    f = wrapped(lambda x, n: ag.sum(ag.relu(x) * n))
    x, n = np.array([-1.0, 0.0, 2.0]), np.array([1, 2, 3])
    rows = table(f, x, n)
    assert [row["op"] for row in rows] == ["leaf", "relu", "multiply", "sum"]
    assert "leaf" in draw(f, x, n).mermaid and precision(f, x, n).loss == 6.0
    weight = ag.tensor(2.0, requires_grad=True)
    assert [r["op"] for r in table(lambda x: ag.sum(weight * x), x)] == ["leaf", "multiply", "sum"]
    with pytest.raises(DTypeError, match="a tensor, but got a int64"):
        table(ag.sum, n)


def test_a_leaf_is_a_tape_of_its_own():
    (row,) = table(ag.tensor(2.0, requires_grad=True))
    assert (row["op"], row["cotangent_max"]) == ("leaf", 1.0)


def test_parameters_are_shown_by_their_names():
    model = nn.MLP([2, 4, 1], rng=0)
    loss = ag.mean(model(np.ones((5, 2), np.float32)) ** 2)
    rows = table(loss, model=model)
    assert [row["name"] for row in rows if row["op"] == "leaf"] == [
        "0.weight", "0.bias", "2.weight", "2.bias",
    ]  # fmt: skip
    assert "0.weight" in str(rows) and "parameter" not in str(table(loss))
    assert "2.bias" in draw(loss, model=model).svg
    with pytest.raises(DTypeError, match="a model of modules, but got model=1.0. Pass an nn.M"):
        table(loss, model=1.0)


def test_a_long_table_says_what_it_leaves_out():
    x = ag.tensor(1.0, requires_grad=True)
    y = x
    for _ in range(200):
        y = y * 1.01
    text = str(table(y))
    assert len(text.splitlines()) == 1 + 1 + 60 + 1
    assert "… 141 rows left out" in text
    page = table(y)._repr_html_()
    assert page.count("<tr>") == 62 and "141 rows left out" in page


def test_html_is_escaped_and_whole():
    page = table(small()[1])._repr_html_()
    ET.fromstring(f"<div>{page}</div>")
    assert page.count("<tr>") == 5


def test_messages_of_the_table():
    with pytest.raises(
        ShapeError, match=r"seed of the result's shape \(2,\), but got \(3,\). Resh"
    ):
        table(ag.tensor([1.0, 2.0], requires_grad=True) * 2.0, seed=np.ones(3))
    with pytest.raises(DTypeError, match="diagnostics.table: a tensor, but got a float. Pass the"):
        table(1.0)
    with pytest.raises(GraphError, match="depends on a leaf, but got a constant"):
        table(ag.tensor(1.0))
    with pytest.raises(GraphError, match=r"single number, or a seed .* shape \(2,\) without"):
        table(ag.tensor([1.0, 2.0], requires_grad=True) * 2.0)


def test_shares_and_sizes_in_words():
    assert [share(x) for x in (0.0, 0.004, 0.5, 0.999, 1.0)] == [
        "0 %",
        "< 1 %",
        "50 %",
        "> 99 %",
        "100 %",
    ]
    assert [size(x) for x in (12, 2048, 3 * 2**20, 2**30)] == [
        "12 B",
        "2.0 kB",
        "3.0 MB",
        "1.0 GB",
    ]


# ----------------------------------------------------------------------------- the picture


def boxes(svg):
    """Return the rectangles of a picture that have text in them: (left, top, right, bottom)."""
    found = []
    for r in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}rect"):
        x, y, w, h = (float(r.get(k)) for k in ("x", "y", "width", "height"))
        if h > 30 and r.get("rx") == "5":
            found.append((x, y, x + w, y + h))
    return found


def test_the_picture_has_a_box_for_each_node():
    picture = draw(small()[1])
    svg = ET.fromstring(picture.svg)
    words = [t.text for t in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert {"leaf", "relu", "multiply", "sum", "value -1 … 3", "cotangent 0 … 3"} <= set(words)
    assert len(boxes(picture.svg)) == 4
    assert picture._repr_svg_() == picture.svg


def tangled(n):
    rng = np.random.default_rng(n)
    nodes = [ag.tensor(rng.normal(), requires_grad=True) for _ in range(4)]
    while len(nodes) < n:
        i, j = rng.integers(len(nodes), size=2)
        nodes.append(nodes[i] * nodes[j] if rng.uniform() < 0.7 else ag.tanh(nodes[i]))
    total = nodes[0]
    for node in nodes[1:]:
        total = total + node
    return total


@pytest.mark.parametrize("n", [5, 12, 25, 60])
def test_boxes_lie_apart_and_within_the_picture(n):
    svg = draw(tangled(n), most=80).svg
    root, found = ET.fromstring(svg), boxes(svg)
    width, height = float(root.get("width")), float(root.get("height"))
    for i, (left, top, right, bottom) in enumerate(found):
        assert 0 <= left < right <= width and 0 <= top < bottom <= height
        for x, y, x2, y2 in found[:i]:
            assert right < x or x2 < left or bottom < y or y2 < top


def test_the_layout_untangles():
    crossed = Layout([100.0] * 4, [(0, 3), (1, 2)])
    assert crossed.row == [0, 0, 1, 1]
    assert (crossed.x[0] < crossed.x[1]) == (crossed.x[3] < crossed.x[2])
    chain = Layout([100.0, 60.0, 100.0, 60.0], [(0, 1), (1, 2), (2, 3), (0, 3)])
    assert chain.row[:4] == [0, 1, 2, 3]
    assert len(chain.routes[0, 3]) == 4  # led past two rows
    assert abs(chain.x[1] - chain.x[2]) < 30.0


def test_mermaid_and_dot_name_every_arrow():
    picture = draw(small()[1])
    assert picture.mermaid.startswith("flowchart TD\n")
    for text, arrow in ((picture.mermaid, "-->"), (picture.dot, "->")):
        found = re.findall(rf"n(\d+) {arrow} n(\d+)", text)
        assert found == [("0", "1"), ("1", "2"), ("2", "3")]
    assert 'n1["relu<br/>#1, shape (4,)<br/>value 0 … 3<br/>cotangent 3"]' in picture.mermaid


def test_a_large_tape_is_drawn_in_runs_and_from_the_end():
    w = ag.tensor(0.9, requires_grad=True)

    def rnn():
        state = w
        for _ in range(500):
            state = ag.tanh(state * w + 0.1)
        return state

    picture = draw(rnn, most=10)
    assert len(boxes(picture.svg)) == 10
    assert "… 1474 nodes" in picture.svg and "the first 1474 nodes are not drawn" in picture.svg
    assert "multiply · add · tanh" in picture.svg
    assert "reads #0 from above" in picture.svg
    assert float(ET.fromstring(picture.svg).get("height")) < 2000


def test_what_is_dead_and_what_is_not_finite_is_seen():
    x = ag.tensor([-1.0, -2.0], requires_grad=True)
    assert "cotangent is zero" in draw(ag.sum(ag.relu(x))).svg
    assert "not finite" not in draw(ag.sum(ag.relu(x))).svg
    with np.errstate(invalid="ignore"):
        assert "not finite" in draw(ag.sum(ag.log(x))).svg


def test_what_is_computed_stays_in_line():
    model = nn.MLP([2] + 15 * [4] + [1], rng=0)
    found = draw(ag.mean(model(np.ones((3, 2), np.float32))), model=model, most=200)
    width = float(ET.fromstring(found.svg).get("width"))
    assert width < 3.5 * 210  # three boxes and what is between them


def test_numbers_that_are_not_finite_are_counted_in_boxes():
    with np.errstate(all="ignore"):
        found = draw(ag.sum(ag.log(ag.tensor([0.0, 1.0, 2.0, -1.0], requires_grad=True))))
    assert "value 0 … 0.693, 50 % not finite" in found.dot
    assert "    class n0,n1,n2 bad" in found.mermaid and found.dot.count("style=filled") == 3


def test_pictures_are_saved_by_their_suffix(tmp_path):
    found = draw(small()[1], path=tmp_path / "new" / "tape.mmd")
    assert (tmp_path / "new" / "tape.mmd").read_text("utf-8") == found.mermaid
    picture = draw(small()[1])
    for suffix, text in ((".svg", picture.svg), (".mmd", picture.mermaid), (".dot", picture.dot)):
        picture.save(tmp_path / f"tape{suffix}")
        assert (tmp_path / f"tape{suffix}").read_text("utf-8") == text
    with pytest.raises(UnknownNameError, match=r"ends in .svg, .mmd, .dot, but got 'tape.png'"):
        picture.save("tape.png")
    with pytest.raises(ShapeError, match="most, an integer from 2 on, but got 1"):
        draw(small()[1], most=1)


# ------------------------------------------------------------------------------- precision


def test_cancellation_is_found_at_the_subtraction():
    x = ag.tensor(1e-3, requires_grad=True)

    def loss():
        near_one = ag.cos(x)
        lost = 1.0 - near_one
        return lost / (x * x)

    report = precision(loss)
    assert report.worst["op"] == "subtract" and report.worst["phase"] == "forward"
    line = loss.__code__.co_firstlineno + 2
    assert f"test_diagnostics.py:{line} in loss" in report.worst["line"]
    # cos(1e-3) = 1 - 5e-7: float32 has steps of 6e-8 there, and keeps about one digit of 5e-7.
    low = np.float32(1) - np.cos(np.float32(1e-3))
    high = 1.0 - np.cos(np.float64(np.float32(1e-3)))
    assert np.isclose(report.worst["error"], abs(low - high) / high)
    assert report.worst["lost"] > 5
    assert "subtract loses most digits" in str(report)
    assert "gradient of" in report._repr_html_()


def test_cancellation_in_the_backward_sweep():
    # The derivative of (eˣ - 1) / x is eˣ / x - (eˣ - 1) / x²: two cotangents that meet at x.
    x = ag.tensor(1e-3, requires_grad=True)
    report = precision(lambda: ag.expm1(x) / x)
    assert report.loss_error < 1e-6
    assert (report.worst["op"], report.worst["phase"]) == ("add", "backward of expm1")
    assert report.parameters[0]["digits"] < 5


def test_a_sound_step_loses_nothing():
    model = nn.MLP([4, 8, 3], activation="tanh", rng=0)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(16, 4)).astype(np.float32), np.arange(16) % 3
    report = precision(lambda: nn.CrossEntropyLoss()(model(x), y), model=model)
    assert report.worst is None and "no operation loses a digit" in str(report)
    names = {row["parameter"] for row in report.parameters}
    assert names == {name for name, _ in model.named_parameters()}
    assert all(row["digits"] > 6 for row in report.parameters)
    assert all(p.grad is None for p in model.parameters())


def test_the_float64_side_is_the_gradient_in_float64():
    rng = np.random.default_rng(0)
    a = rng.normal(size=(5, 3)).astype(np.float32)
    w = ag.tensor(rng.normal(size=3).astype(np.float32), requires_grad=True)
    report = precision(lambda: ag.sum(ag.exp(a @ w)))
    a64, w64 = a.astype(float), w.numpy().astype(float)
    assert np.isclose(report.loss, np.exp(a64 @ w64).sum(), rtol=1e-14)
    gradient = a64.T @ np.exp(a64 @ w64)
    assert np.isclose(report.parameters[0]["norm"], np.linalg.norm(gradient), rtol=1e-14)
    ag.sum(ag.exp(a @ w)).backward()
    error = np.linalg.norm(w.grad.astype(float) - gradient) / np.linalg.norm(gradient)
    assert np.isclose(report.parameters[0]["error"], error, rtol=1e-6)


def test_a_function_in_float64_is_judged_as_if_in_float32():
    x = ag.tensor([1e4 + 0.5, 1e4], requires_grad=True)
    report = precision(lambda: (x[0] * x[0] - x[1] * x[1]) * 1.0)
    assert report.worst["op"] == "subtract" and 2 < report.worst["lost"] < 5


def test_a_conversion_within_the_function_follows_the_precision():
    x = ag.tensor([0.1, 0.7], requires_grad=True)
    report = precision(lambda: ag.sum(ag.exp(1.1 * x.astype(np.float32))))
    inputs = np.array([0.1, 0.7], np.float32).astype(float)
    assert np.isclose(report.loss, np.exp(1.1 * inputs).sum(), rtol=1e-15)
    assert 0 < report.loss_error < 1e-6


def test_decisions_that_differ_are_named():
    # In float32 the sum is 1 exactly, in float64 it is more.
    x = ag.tensor([1.0, 1e-9], requires_grad=True)
    report = precision(lambda: ag.where(ag.sum(x) > 1.0, ag.sum(x), 2.0 * ag.sum(x)))
    assert "greater comes out differently for 1 of 1" in report.decided[0]
    assert report.decided[0] in str(report)


def test_what_is_zero_but_for_rounding_has_no_digits_to_lose():
    model = nn.Sequential(nn.Linear(3, 4, rng=0), nn.BatchNorm1d(4), nn.Linear(4, 1, rng=1))
    x = np.random.default_rng(0).normal(size=(16, 3)).astype(np.float32)
    report = precision(lambda: ag.mean(model(x) ** 2), model=model)
    rows = {row["parameter"]: row for row in report.parameters}
    assert rows["0.bias"]["remark"].startswith("0 but for rounding")  # a mean is taken off
    assert rows["0.bias"]["digits"] is None


def test_messages_of_precision():
    with pytest.raises(GraphError, match="precision: a function, but got a Tensor. Pass lambda"):
        precision(small()[1])
    x = ag.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(GraphError, match=r"a single number, but got shape \(2,\)"):
        precision(lambda: x * x)


# --------------------------------------------------------------------------------- loading


def test_diagnosis_is_loaded_when_it_is_used():
    program = (
        "import sys, autograd_core as ag\n"
        "late = [m for m in sys.modules if m.startswith('autograd_core.diagnostics.')]\n"
        "assert not late, late\n"
        "assert 'table' in dir(ag.diagnostics)\n"
        "ag.diagnostics.table, ag.conventions\n"
    )
    root = Path(__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    with pytest.raises(AttributeError, match="no attribute 'tables'"):
        ag.diagnostics.tables  # noqa: B018
