"""Gradient flow by layer: dead and saturated units, products of slopes, updates, by hand."""

import xml.etree.ElementTree as ET

import numpy as np
import pytest

import autograd_core as ag
import nn
import optim
from autograd_core.errors import DTypeError, GraphError, ShapeError, UnknownNameError

flow = ag.diagnostics.gradient_flow


def mean(prediction, *_):
    return ag.mean(prediction)


def linear(weight, bias):
    layer = nn.Linear(np.shape(weight)[1], np.shape(weight)[0], rng=0, dtype=np.float64)
    layer.load_state_dict({"weight": weight, "bias": bias})
    return layer


def rows(report):
    return {row["layer"]: row for row in report}


def test_dead_units_are_counted():
    # Of five units two are off at both examples, one at one of them: 5 of 10 elements.
    first = linear(np.eye(5), [-10.0, -10.0, 0.0, 0.0, 0.0])
    model = nn.Sequential(first, nn.ReLU(), linear(np.ones((1, 5)), [0.0]))
    x = np.array([[1.0, 1.0, 2.0, -3.0, 4.0], [1.0, 1.0, 2.0, 3.0, 4.0]])
    report = flow(model, x, loss=mean)
    relu = rows(report)["1"]
    assert relu["dead"] == 0.4 and relu["flat"] == 0.5 and relu["slope"] == 0.5
    assert rows(report)["0"]["dead"] is None and rows(report)["2"]["flat"] is None
    assert np.isclose(relu["activation"], np.sqrt((2**2 + 4**2 + 2**2 + 3**2 + 4**2) / 10))
    # Each of two examples has ∂L/∂h = 1/2 in every unit.
    assert np.isclose(relu["gradient"], np.sqrt(10 * 0.25))
    assert np.isclose(relu["gain"], np.sqrt(5 * 0.25) / np.sqrt(10 * 0.25))
    assert "1: 40 % of the units are dead" in str(report)


def test_a_chain_of_sigmoids_multiplies_the_gradient_by_less_than_a_quarter_each():
    n = 6
    layers = [part for _ in range(n) for part in (linear([[1.0]], [0.0]), nn.Sigmoid())]
    report = flow(nn.Sequential(*layers), np.array([[0.3]]), loss=mean)
    slopes, y = [], 0.3
    for _ in range(n):
        y = 1.0 / (1.0 + np.exp(-y))
        slopes.append(y * (1.0 - y))
    found = [row["slope"] for row in report if row["kind"] == "Sigmoid"]
    assert np.allclose(found, slopes)
    assert np.isclose(report.product, np.prod(slopes)) and report.product < 0.25**n
    assert np.isclose(report[1]["product"], np.prod(slopes))
    # With weights 1 the product is all that happens to the gradient.
    assert np.isclose(report[0]["gradient"], np.prod(slopes))


def test_saturation_is_measured_against_the_steepest_slope():
    model = nn.Sequential(linear(np.eye(4), np.zeros(4)), nn.Sigmoid())
    report = flow(model, np.array([[0.0, 3.5, 6.0, -9.0]]), loss=mean)
    assert rows(report)["1"]["flat"] == 0.5  # sigmoid'(3.5) is 0.028, 11 % of sigmoid'(0)
    model = nn.Sequential(linear(np.eye(4), np.zeros(4)), nn.Tanh())
    report = flow(model, np.array([[0.0, 1.0, 6.0, -9.0]]), loss=mean)
    assert rows(report)["1"]["flat"] == 0.5 and rows(report)["1"]["dead"] == 0.0
    deep = flow(model, np.full((1, 4), 30.0), loss=mean)
    assert "1: 100 % of the elements saturated" in str(deep)


@pytest.mark.parametrize(("activation", "word"), [("sigmoid", "vanishing"), ("relu", "exploding")])
def test_vanishing_and_exploding_gradients_are_named(activation, word):
    model = nn.MLP([4, *[16] * 10, 1], activation=activation, rng=0)
    if word == "exploding":
        for p in model.parameters():
            p.assign(4.0 * p.numpy())
    x = np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32)
    report = flow(model, x, loss=mean)
    assert f"{word} gradient" in str(report)
    ratio = report[0]["gradient"] / report[-1]["gradient"]
    assert ratio < 1e-3 if word == "vanishing" else ratio > 1e3


def test_parameters_gradients_and_updates():
    model = nn.Sequential(linear([[1.0, 2.0]], [2.0]))
    x, y = np.array([[1.0, 1.0]]), np.array([[4.0]])
    sgd = optim.SGD(model.parameters(), lr=0.1)
    report = flow(model, x, y, loss=nn.MSELoss(), optimizer=sgd)
    row = report[0]  # prediction 5, error 1, ∂L/∂w = 2 (1, 1), ∂L/∂b = 2
    assert np.isclose(row["weight"], 3.0)
    assert np.isclose(row["weight_gradient"], np.sqrt(12.0))
    assert np.isclose(row["update"], 0.1 * np.sqrt(12.0) / 3.0)
    assert "‖Δθ‖/‖θ‖" in str(report)
    assert "‖Δθ‖/‖θ‖" not in str(flow(model, x, y, loss=nn.MSELoss()))


def test_nothing_is_changed():
    model = nn.Sequential(
        nn.Linear(3, 8, rng=0), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5, rng=0),
        nn.Linear(8, 1, rng=1),
    )  # fmt: skip
    x, y = np.random.default_rng(0).normal(size=(16, 3)).astype(np.float32), np.zeros((16, 1))
    adam = optim.Adam(model.parameters(), lr=0.1)
    nn.MSELoss()(model(x), y).backward()
    adam.step()
    before, state = model.state_dict(), adam.state_dict()
    draws = model.layers["3"].rng.bit_generator.state
    gradients = [p.grad.copy() for p in model.parameters()]
    flow(model, x, y, loss=nn.MSELoss(), optimizer=adam)
    with pytest.raises(ZeroDivisionError):
        flow(model, x, y, loss=lambda *_: 1 / 0)
    assert all(np.array_equal(before[k], v) for k, v in model.state_dict().items())
    assert str(state) == str(adam.state_dict())
    assert model.layers["3"].rng.bit_generator.state == draws
    for p, gradient in zip(model.parameters(), gradients, strict=True):
        assert np.array_equal(p.grad, gradient)
    assert "forward" not in vars(model.layers["0"])


class Block(nn.Module):
    """A module that applies functions itself, one layer twice, and holds a parameter."""

    def __init__(self):
        self.inner = linear(np.eye(2), [0.0, 0.0])
        self.scale = nn.Parameter([2.0], dtype=np.float64)

    def forward(self, x):
        return ag.tanh(self.inner(ag.relu(self.inner(x) * self.scale)))


def test_functions_without_a_module_and_layers_called_twice():
    report = flow(Block(), np.array([[1.0, -1.0]]), loss=mean)
    assert [row["layer"] for row in report] == [
        "inner (1)", "Block: relu", "inner (2)", "Block: tanh", "Block",
    ]  # fmt: skip
    found = rows(report)
    assert found["Block: relu"]["dead"] == 0.5
    tanh = 1.0 - np.tanh([2.0, 0.0]) ** 2
    assert np.isclose(found["Block: tanh"]["slope"], tanh.mean())
    assert np.isclose(report.product, tanh.mean() * 0.5)
    assert found["Block"]["weight"] == 2.0 and found["Block"]["weight_gradient"] > 0


def test_layers_without_a_gradient():
    frozen = linear(np.eye(2), [0.0, 0.0])
    frozen.requires_grad_(False)
    model = nn.Sequential(frozen, nn.ReLU(), linear([[1.0, 1.0]], [-10.0]), nn.ReLU())
    last = linear([[1.0]], [0.0])
    report = flow(nn.Sequential(*model, last), np.array([[1.0, 2.0]]), loss=mean)
    found = rows(report)
    assert found["0"]["gradient"] is None and found["0"]["weight"] is None
    assert found["2"]["gradient"] == 0.0
    assert "2: no gradient comes back to it" in str(report)


def test_dropout_is_no_activation_and_recurrent_nets_work():
    model = nn.Sequential(linear(np.eye(3), np.zeros(3)), nn.Dropout(0.5, rng=0))
    report = flow(model, np.ones((4, 3)), loss=mean)
    assert rows(report)["1"]["slope"] is None and report.product == 1.0


@pytest.mark.parametrize("kind", [nn.LayerNorm, nn.GELU, nn.PReLU, nn.Softmax, nn.SELU])
def test_any_layer_may_be_in_it(kind):
    layer = kind(4) if kind is nn.LayerNorm else kind()
    model = nn.Sequential(nn.Linear(4, 4, rng=0), layer, nn.Linear(4, 1, rng=1))
    report = flow(model, np.ones((2, 4), np.float32), loss=mean)
    bent = kind not in (nn.LayerNorm, nn.Softmax)
    assert (report[1]["slope"] is not None) == bent
    ET.fromstring(report.draw().svg)


def test_the_picture_has_a_row_for_each_layer(tmp_path):
    model = nn.MLP([2, 8, 8, 1], rng=0)
    adam = optim.Adam(model.parameters())
    x, y = np.ones((4, 2), np.float32), np.ones((4, 1), np.float32)
    report = flow(model, x, y, loss=nn.MSELoss(), optimizer=adam)
    root = ET.fromstring(report.draw().svg)
    words = ["".join(t.itertext()) for t in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"0 Linear", "1 ReLU", "4 Linear", "gradient ‖∂L/∂h‖", "flat", "dead"} <= set(words)
    assert "update ‖Δθ‖/‖θ‖" in words
    dots = list(root.iter("{http://www.w3.org/2000/svg}circle"))
    assert len(dots) == 5 + 5 + 3
    left = [float(dot.get("cx")) for dot in dots]
    assert 0 < min(left) and max(left) < float(root.get("width"))
    report.draw(tmp_path / "flow.svg")
    assert (tmp_path / "flow.svg").read_text("utf-8") == report.draw().svg
    page = report._repr_html_()
    assert page.startswith("<table") and page.endswith("</svg>\n")


@pytest.mark.parametrize("compile", [False, True])
def test_it_watches_a_training(compile, capsys):
    def train(callbacks):
        model = nn.MLP([1, 8, 8, 1], activation="relu", rng=0)
        adam = optim.Adam(model.parameters(), lr=0.01)
        x = np.linspace(-1.0, 1.0, 64, dtype=np.float32).reshape(-1, 1)
        made = [f(model, x, adam) for f in callbacks]
        optim.fit(
            model, nn.MSELoss(), (x, x * x), adam, epochs=6, callbacks=made, compile=compile,
            progress=False,
        )  # fmt: skip
        return model, made

    def monitor(model, x, adam):
        return ag.diagnostics.FlowMonitor(
            model, x, x * x, loss=nn.MSELoss(), optimizer=adam, every=2
        )

    plain, _ = train([])
    watched, (found,) = train([monitor])
    for p, q in zip(plain.parameters(), watched.parameters(), strict=True):
        assert np.array_equal(p.numpy(), q.numpy())
    assert found.epochs == [2, 4, 6] and len(found.reports) == 3
    assert found.reports[0].loss > found.reports[-1].loss
    assert all(row["update"] > 0 for row in found.reports[-1] if row["kind"] == "Linear")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3 and "loss" in lines[0] and "gradient" in lines[0] and "flat" in lines[0]
    root = ET.fromstring(found.draw().svg)
    fields = [
        r for r in root.iter("{http://www.w3.org/2000/svg}rect") if r.get("height") == "20.0"
    ]
    assert len(fields) == 5 * 3
    assert "activation rms by layer and epoch" in found.draw(key="activation").svg
    assert str(found).splitlines() == lines and found._repr_svg_() == found.draw().svg
    with pytest.raises(UnknownNameError, match="key, one of activation, gradient, .* got 'kind'"):
        found.draw(key="kind")


def test_a_compiled_model_is_looked_into():
    model, x = nn.MLP([2, 3, 1], rng=0), np.ones((4, 2), np.float32)
    assert str(flow(ag.compile(model), x, loss=mean)) == str(flow(model, x, loss=mean))
    assert "through 1 layer," in flow(nn.Linear(2, 1, rng=0), x, loss=mean).title


@pytest.mark.parametrize(("depth", "drawn", "words"), [(65, 65, ""), (100, 60, "last 40 layers")])
def test_very_deep_networks_are_cut(depth, drawn, words):
    parts = [nn.Linear(2, 2, rng=i) for i in range(depth)]
    picture = flow(nn.Sequential(*parts), np.ones((2, 2), np.float32), loss=mean).draw().svg
    assert picture.count("Linear") == drawn and words in picture
    assert ("not drawn" in picture) == bool(words)


def test_messages():
    model, x = nn.MLP([2, 3, 1], rng=0), np.ones((4, 2), np.float32)
    with pytest.raises(DTypeError, match="a model made of modules, but got a function. Pass an"):
        flow(lambda x: x, x, loss=mean)
    with pytest.raises(DTypeError, match="gradient_flow: a batch, but got none"):
        flow(model, loss=mean)
    with pytest.raises(GraphError, match="a single number"):
        flow(model, x, loss=lambda prediction: prediction)
    with pytest.raises(DTypeError, match="an optimizer, but got a float"):
        flow(model, x, loss=mean, optimizer=0.1)
    other = optim.SGD(nn.MLP([2, 1], rng=0).parameters(), lr=0.1)
    with pytest.raises(GraphError, match="the model's optimizer, but got one that has none"):
        flow(model, x, loss=mean, optimizer=other)
    with pytest.raises(ShapeError, match="every, an integer from 1 on, but got 0"):
        ag.diagnostics.FlowMonitor(model, x, loss=mean, every=0)
    with pytest.raises(GraphError, match="a report to draw, but got none"):
        ag.diagnostics.FlowMonitor(model, x, loss=mean).draw()
