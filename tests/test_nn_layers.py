"""Every layer obeys every law, in training and evaluation; then what is particular to each."""

import copy
import pickle

import numpy as np
import pytest

import autograd_core as ag
import nn


def subclasses(kind):
    return [kind, *(leaf for child in kind.__subclasses__() for leaf in subclasses(child))]


LAYERS = [m for m in subclasses(nn.Module) if m.__name__ in nn.__all__ and hasattr(m, "examples")]
CASES = [
    pytest.param(kind, i, training, id=f"{kind.__name__}-{i}-{'train' if training else 'eval'}")
    for kind in LAYERS
    for i, _ in enumerate(kind.examples(np.random.default_rng(0)))
    for training in (True, False)
]


def case(kind, i, training):
    """Return a layer that has seen one batch, as a function of its floats, and their values."""
    module, inputs = list(kind.examples(np.random.default_rng(0)))[i]
    if training or any(isinstance(part, nn.BatchNorm1d) for part in module.modules()):
        module.train()
        apply(module, inputs)
    return module.train(training), inputs


def apply(module, inputs):
    """Apply a module; random masks are the same each time."""
    for part in module.modules():
        if hasattr(part, "rng"):
            part.rng = np.random.default_rng(7)
    return module(*inputs)


def value(module, inputs):
    with ag.no_grad():
        return np.asarray(apply(module, inputs))


def is_float(x):
    return np.asarray(x).dtype.kind == "f"


def filled(inputs, values):
    """Return the inputs with the arrays of floats replaced."""
    given = iter(values)
    return [next(given) if is_float(x) else x for x in inputs]


def slope(f, arrays, directions, step=2e-3):
    """Return the derivative along the directions, by central differences of two widths."""
    moved = [
        [a + s * d for a, d in zip(arrays, directions, strict=True)]
        for s in (step, -step, step / 2, -step / 2)
    ]
    wide, narrow = (
        (f(moved[i]) - f(moved[i + 1])) / (2 * h) for i, h in ((0, step), (2, step / 2))
    )
    return (4 * narrow - wide) / 3


@pytest.mark.parametrize(("kind", "i", "training"), CASES)
def test_gradients_through_inputs_and_parameters(kind, i, training):
    module, inputs = case(kind, i, training)
    rng = np.random.default_rng(1)
    parameters = list(module.parameters())
    floats = [x for x in inputs if is_float(x)]
    weights = rng.normal(size=np.shape(value(module, inputs)))
    arrays = [*floats, *(p.numpy().copy() for p in parameters)]
    directions = [rng.normal(size=np.shape(a)) for a in arrays]

    def scalar(values):
        for p, new in zip(parameters, values[len(floats) :], strict=True):
            p.assign(new)
        return float(np.sum(weights * value(module, filled(inputs, values))))

    expected = slope(scalar, arrays, directions)
    scalar(arrays)
    leaves = [ag.tensor(x, requires_grad=True) for x in floats]
    ag.sum(weights * apply(module, filled(inputs, leaves))).backward()
    grads = [tensor.grad for tensor in (*leaves, *parameters)]
    found = sum(float(np.sum(g * d)) for g, d in zip(grads, directions, strict=True))
    assert found == pytest.approx(expected, rel=1e-7, abs=1e-8)


@pytest.mark.parametrize(("kind", "i", "training"), CASES)
def test_second_derivatives(kind, i, training):
    module, inputs = case(kind, i, training)
    module.requires_grad_(False)
    floats = [x for x in inputs if is_float(x)]
    if not floats:
        return
    rng = np.random.default_rng(1)

    def first(x):
        def out(x):
            return ag.sum(ag.square(apply(module, filled(inputs, [x, *floats[1:]]))))

        return ag.grad(out)(x)

    seed, direction = rng.normal(size=(2, *np.shape(floats[0])))
    _, pull = ag.vjp(first, floats[0])
    found = float(np.sum(np.asarray(pull(seed)[0]) * direction))
    expected = slope(lambda a: float(np.sum(seed * first(a[0]))), [floats[0]], [direction])
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-7)


@pytest.mark.parametrize(("kind", "i", "training"), CASES)
def test_copies_compute_the_same(kind, i, training):
    module, inputs = case(kind, i, training)
    want = value(module, inputs)
    for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert repr(other) == repr(module)
        assert not {*map(id, other.parameters())} & {*map(id, module.parameters())}
        np.testing.assert_array_equal(value(other, inputs), want)
    blank = copy.deepcopy(module)
    for tensor in (*blank.parameters(), *blank.buffers()):
        tensor.assign(np.zeros(tensor.shape))
    assert blank.load_state_dict(module.state_dict()) == ([], [])
    np.testing.assert_array_equal(value(blank, inputs), want)
    assert list(blank.state_dict()) == list(module.state_dict())


@pytest.mark.parametrize(("kind", "i", "training"), CASES)
def test_float32_stays_float32(kind, i, training):
    module, inputs = case(kind, i, training)
    module.astype(np.float32)
    narrow = [np.asarray(x, np.float32) if is_float(x) else x for x in inputs]
    leaves = [ag.tensor(x, requires_grad=True) for x in narrow if is_float(x)]
    out = apply(module, filled(narrow, leaves))
    assert out.dtype == np.float32
    ag.sum(out).backward()
    grads = [tensor.grad for tensor in (*leaves, *module.parameters())]
    assert {grad.dtype for grad in grads} <= {np.dtype(np.float32)}
    floating = [b for b in module.buffers() if b.dtype.kind == "f"]
    assert {b.dtype for b in floating} <= {np.dtype(np.float32)}


TOGETHER = (nn.BatchNorm1d, nn.Dropout, nn.Loss)  # in training, examples meet; losses reduce


@pytest.mark.parametrize(("kind", "i", "training"), CASES)
def test_examples_do_not_meet(kind, i, training):
    module, inputs = case(kind, i, training)
    unseen = training and issubclass(kind, nn.Dropout)
    batch = issubclass(kind, nn.BatchNorm1d) and (training or module.running_mean is None)
    if unseen or batch or issubclass(kind, nn.Loss):
        return
    whole = value(module, inputs)
    for n in range(len(whole)):
        part = value(module, [x[n : n + 1] for x in inputs])
        np.testing.assert_allclose(part, whole[n : n + 1], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("kind", "i", "training"), CASES)
def test_frozen_parameters_get_no_gradient(kind, i, training):
    module, inputs = case(kind, i, training)
    assert module.requires_grad_(False) is module
    leaves = [ag.tensor(x, requires_grad=True) for x in inputs if is_float(x)]
    out = apply(module, filled(inputs, leaves))
    if leaves:
        ag.sum(out).backward()
    module.zero_grad()
    assert not any(p.requires_grad or p.grad is not None for p in module.parameters())
    assert "frozen" in repr(module) or not list(module.parameters())
    module.requires_grad_()
    assert all(p.requires_grad for p in module.parameters())


# ------------------------------------------------------------------------ normalization


def test_layer_norm_is_its_formula():
    x = np.random.default_rng(0).normal(size=(5, 4))
    layer = nn.LayerNorm(4, eps=0.1, dtype=np.float64)
    layer.weight.assign([1.0, 2.0, 3.0, 4.0])
    layer.bias.assign([0.5, 0.0, 0.0, -1.0])
    scaled = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 0.1)
    want = scaled * layer.weight.numpy() + layer.bias.numpy()
    np.testing.assert_allclose(layer(x).numpy(), want, rtol=1e-13)


def test_rms_norm_is_its_formula():
    x = np.random.default_rng(0).normal(size=(5, 4))
    want = x / np.sqrt((x**2).mean(1, keepdims=True) + np.finfo(np.float64).eps)
    np.testing.assert_allclose(nn.RMSNorm(4, dtype=np.float64)(x).numpy(), want, rtol=1e-13)
    single = nn.RMSNorm(4)(np.zeros((1, 4)))
    np.testing.assert_array_equal(single.numpy(), np.zeros((1, 4)))


def test_batch_norm_averages_what_it_has_seen():
    rng = np.random.default_rng(0)
    batches = rng.normal(3.0, 2.0, (4, 6, 3))
    running, plain = (nn.BatchNorm1d(3, momentum=m, dtype=np.float64) for m in (0.2, None))
    mean, var = np.zeros(3), np.ones(3)
    for batch in batches:
        running(batch)
        plain(batch)
        mean = 0.8 * mean + 0.2 * batch.mean(0)
        var = 0.8 * var + 0.2 * batch.var(0, ddof=1)
    np.testing.assert_allclose(running.running_mean.numpy(), mean, rtol=1e-13)
    np.testing.assert_allclose(running.running_var.numpy(), var, rtol=1e-13)
    np.testing.assert_allclose(plain.running_mean.numpy(), batches.mean((0, 1)), rtol=1e-13)
    assert running.num_batches_tracked.item() == 4
    keys = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
    assert list(running.state_dict()) == keys
    assert [name for name, _ in running.named_parameters()] == keys[:2]
    assert [name for name, _ in running.named_buffers()] == keys[2:]
    x = rng.normal(size=(2, 3))
    want = (x - mean) / np.sqrt(var + 1e-5)
    np.testing.assert_allclose(running.eval()(x).numpy(), want, rtol=1e-12)
    assert running.num_batches_tracked.item() == 4
    running.reset_running_stats()
    np.testing.assert_array_equal(running.running_var.numpy(), np.ones(3))
    assert running.num_batches_tracked.item() == 0


def test_batch_norm_counts_batches_in_integers():
    layer = nn.BatchNorm1d(2)
    layer(np.ones((3, 2)))
    layer.astype(np.float64)
    assert layer.num_batches_tracked.dtype.kind == "i"
    assert layer.running_mean.dtype == np.float64


def test_batch_norm_refuses_one_example_and_learns_nothing_from_it():
    layer = nn.BatchNorm1d(3)
    before = layer.state_dict()
    with pytest.raises(ag.ShapeError, match=r"more than one value .* but got shape \(1, 3\)"):
        layer(np.ones((1, 3)))
    for name, array in layer.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    assert layer(np.ones((1, 3, 2))).shape == (1, 3, 2)
    assert layer.eval()(np.ones((1, 3))).shape == (1, 3)


@pytest.mark.parametrize("offset", [0.0, 1e4, -1e6])
def test_a_large_offset_costs_no_digits(offset):
    """Normalizing integers beside a large offset: the offset is exact, so must the result be."""
    x = np.random.default_rng(0).integers(-50, 50, (20000, 3)) + offset
    exact = (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5)
    layer = nn.BatchNorm1d(3, momentum=1.0)
    np.testing.assert_allclose(layer(x.astype(np.float32)).numpy(), exact, atol=2e-6)
    np.testing.assert_allclose(layer.running_mean.numpy(), x.mean(0), rtol=1e-6)
    np.testing.assert_allclose(layer.running_var.numpy(), x.var(0, ddof=1), rtol=1e-6)
    rows = nn.LayerNorm(20000, elementwise_affine=False)(x.T.astype(np.float32))
    np.testing.assert_allclose(rows.numpy(), exact.T, atol=2e-6)


def test_constant_rows_become_zeros():
    x = ag.tensor(np.full((2, 4), 3.0), requires_grad=True)
    out = ag.standardize(x, eps=0.0)
    out.backward(np.ones((2, 4)))
    np.testing.assert_array_equal(out.numpy(), np.zeros((2, 4)))
    np.testing.assert_array_equal(x.grad, np.zeros((2, 4)))


# ----------------------------------------------------------------- embedding and bilinear


def test_embedding_adds_up_the_gradients_of_a_row():
    table = nn.Embedding(5, 2, rng=0)
    ag.sum(table([[1, 1], [1, 4]])).backward()
    np.testing.assert_array_equal(table.weight.grad, [[0, 0], [3, 3], [0, 0], [0, 0], [1, 1]])


def test_padding_begins_as_zeros_and_stays_so():
    table = nn.Embedding(4, 2, padding_idx=-1, rng=0)
    assert table.padding_idx == 3
    np.testing.assert_array_equal(table([3]).numpy(), [[0.0, 0.0]])
    ag.sum(table([3, 0, 3])).backward()
    np.testing.assert_array_equal(table.weight.grad, [[1, 1], [0, 0], [0, 0], [0, 0]])


def test_rows_that_are_too_long_are_shortened_where_they_are_looked_up():
    table = nn.Embedding(3, 2, max_norm=1.0)
    table.weight.assign([[3.0, 4.0], [0.3, 0.4], [6.0, 8.0]])
    out = table([0, 1])
    np.testing.assert_allclose(out.numpy(), [[0.6, 0.8], [0.3, 0.4]], rtol=1e-6)
    np.testing.assert_allclose(table.weight.numpy()[2], [6.0, 8.0])
    assert np.linalg.norm(table.weight.numpy()[0]) <= 1.0


def test_a_pretrained_table_is_frozen():
    given = np.arange(6.0).reshape(3, 2)
    table = nn.Embedding.from_pretrained(given)
    np.testing.assert_array_equal(table([2]).numpy(), [[4.0, 5.0]])
    assert not table.weight.requires_grad and table.weight.dtype == np.float64
    assert nn.Embedding.from_pretrained(given, freeze=False).weight.requires_grad


def test_indices_on_the_way_are_copied():
    table, indices = nn.Embedding(3, 2, rng=0), np.array([0, 1])
    out = ag.sum(table(indices))
    indices[:] = 2
    out.backward()
    np.testing.assert_array_equal(table.weight.grad[:, 0], [1, 1, 0])


def test_bilinear_is_its_formula():
    rng = np.random.default_rng(0)
    layer = nn.Bilinear(3, 2, 4, rng=0, dtype=np.float64)
    x1, x2 = rng.normal(size=(2, 5, 3)), rng.normal(size=(2, 5, 2))
    want = np.einsum("...i,kij,...j->...k", x1, layer.weight.numpy(), x2) + layer.bias.numpy()
    np.testing.assert_allclose(layer(x1, x2).numpy(), want, rtol=1e-12)


# ------------------------------------------------------------------------ dropout


def test_alpha_dropout_keeps_mean_and_variance():
    x = np.random.default_rng(0).normal(size=(400, 500))
    layer = nn.AlphaDropout(0.3, rng=1)
    out = layer(x).numpy()
    assert out.mean() == pytest.approx(0.0, abs=0.01)
    assert out.var() == pytest.approx(1.0, abs=0.01)
    values, counts = np.unique(out, return_counts=True)
    assert counts.max() == pytest.approx(0.3 * x.size, rel=0.02)
    assert values[counts.argmax()] < -1.0
    assert layer.eval()(x) is x


def test_dropout_of_integers_scales_too():
    out = nn.Dropout(0.2, rng=0)(np.ones((10, 10), int))
    assert set(np.unique(out.numpy())) == {0.0, np.float32(1.25)}


# -------------------------------------------------------------- containers and structure


def test_sequential_by_number_name_and_slice():
    first, last = nn.Linear(3, 4, rng=0), nn.Linear(4, 2, rng=1)
    model = nn.Sequential({"hidden": first, "squash": np.tanh, "last": last})
    assert model["hidden"] is model[0] is first and model[-1] is last
    assert len(model) == 3 and [*model][2] is last
    head = model[:2]
    assert type(head) is nn.Sequential and list(head.state_dict()) == [
        "hidden.weight",
        "hidden.bias",
    ]
    x = np.ones((2, 3))
    np.testing.assert_array_equal(last(head(x)).numpy(), model(x).numpy())
    assert "squash: Lambda(tanh)" in repr(model)
    assert len(nn.Sequential(first).append(last)) == 2
    assert type(nn.MLP([2, 3, 1], rng=0)[1:]) is nn.Sequential


def test_names_of_states_are_pytorchs():
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Sequential(nn.BatchNorm1d(2)))
    inner = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
    assert list(model.state_dict()) == ["0.weight", "0.bias", *(f"2.0.{name}" for name in inner)]


def test_operations_in_a_model_are_copied_by_name():
    model = nn.Sequential(nn.Residual(ag.tanh), np.tanh, ag.exp)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert other[0].module.function is ag.tanh and other[2].function is ag.exp
        assert repr(other) == repr(model) and vars(other[2]) == vars(model[2])
        np.testing.assert_array_equal(other(np.ones(3)), model(np.ones(3)))


def test_module_list_and_dict_hold_modules():
    blocks = nn.ModuleList([nn.Linear(2, 2, rng=0)])
    blocks.append(nn.ReLU()).extend([np.tanh])
    blocks.insert(0, nn.Identity())
    blocks[1] = nn.Linear(2, 3, rng=0)
    assert [type(block).__name__ for block in blocks] == ["Identity", "Linear", "ReLU", "Lambda"]
    assert list(blocks.state_dict()) == ["1.weight", "1.bias"]
    assert type(blocks.pop()) is nn.Lambda and len(blocks[1:]) == 2 and len(blocks) == 3
    del blocks[0]
    heads = nn.ModuleDict({"a": nn.Linear(2, 1, rng=0)})
    heads["b"] = np.tanh
    assert [*heads] == [*heads.keys()] == ["a", "b"] and "a" in heads and len(heads) == 2
    assert [*heads.values()] == [module for _, module in heads.items()]
    assert type(heads.pop("b")) is nn.Lambda and "b" not in heads
    assert list(heads.state_dict()) == ["a.weight", "a.bias"]


def test_residual_with_and_without_projection():
    x = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    inner = nn.Linear(3, 3, rng=0)
    np.testing.assert_allclose(nn.Residual(inner)(x).numpy(), x + inner(x).numpy(), rtol=1e-6)
    wide, side = nn.Linear(3, 5, rng=0), nn.Linear(3, 5, bias=False, rng=1)
    out = nn.Residual(wide, projection=side)(x)
    np.testing.assert_allclose(out.numpy(), wide(x).numpy() + side(x).numpy(), rtol=1e-6)
    assert list(nn.Residual(inner).state_dict()) == ["module.weight", "module.bias"]


# ------------------------------------------------------------------------ custom models


class Everything(nn.Module):
    """Parameters in all the places where a user may put them."""

    def __init__(self):
        self.blocks = [nn.Linear(2, 2, rng=i) for i in range(2)]
        self.by_name = {"gate": nn.Linear(2, 2, rng=2), "nested": [{"scale": nn.Parameter([1.0])}]}
        self.pair = (nn.Parameter([0.5]), "a label", None)
        self.plain = ag.tensor([2.0], requires_grad=True)
        self.constant = ag.tensor([3.0])
        self.tied = self.blocks[0]
        self.last = None

    def forward(self, x, depth=1):
        for _ in range(depth):
            for block in self.blocks:
                x = ag.tanh(block(x))
        gate = self.by_name["gate"]
        if ag.sum(x).item() > -1e9:
            x = gate(x) * self.by_name["nested"][0]["scale"]
        self.last = x * self.pair[0] + self.plain.astype(np.float32) * self.tied(x)
        return self.last


def test_parameters_are_found_wherever_they_are():
    model = Everything()
    names = [name for name, _ in model.named_parameters()]
    assert names == [
        "by_name.nested.0.scale",
        "pair.0",
        "plain",
        *(f"blocks.{i}.{name}" for i in range(2) for name in ("weight", "bias")),
        "by_name.gate.weight",
        "by_name.gate.bias",
    ]
    ag.sum(model(np.ones((3, 2)), depth=2)).backward()
    assert all(p.grad is not None for p in model.parameters())
    assert model.last is not None and "last" not in model.state_dict()
    assert [name for name, _ in model.named_buffers()] == ["constant"]
    assert [name for name, _ in model.named_modules()][1:] == [
        "blocks.0",
        "blocks.1",
        "by_name.gate",
    ]
    assert [name for name, _ in model.named_children()][-1] == "tied"
    assert model.num_parameters() == 3 * 6 + 3


def test_a_shared_weight_collects_from_both_places():
    class Tied(nn.Module):
        def __init__(self):
            self.encode = nn.Linear(3, 2, bias=False, rng=0, dtype=np.float64)
            self.decode = nn.Linear(2, 3, bias=False, rng=1, dtype=np.float64)
            self.other = nn.Linear(3, 2, bias=False, rng=2, dtype=np.float64)
            self.other.weight = self.encode.weight

        def forward(self, x):
            return self.decode(self.encode(x)) + ag.sum(self.other(x))

    model, x = Tied(), np.random.default_rng(0).normal(size=(4, 3))
    assert [name for name, _ in model.named_parameters()] == ["encode.weight", "decode.weight"]
    ag.sum(model(x)).backward()
    want = np.outer(model.decode.weight.numpy().sum(0), x.sum(0)) + 12 * x.sum(0)
    np.testing.assert_allclose(model.encode.weight.grad, want, rtol=1e-12)
    again = copy.deepcopy(model)
    assert again.other.weight is again.encode.weight


def test_modules_may_know_their_owner():
    class Part(nn.Module):
        def __init__(self, owner):
            self.owner = owner
            self.scale = nn.Parameter([1.0])

    class Owner(nn.Module):
        def __init__(self):
            self.part = Part(self)

    owner = Owner()
    assert list(owner.state_dict()) == ["part.scale"]
    assert "..." in repr(owner)
    assert not owner.eval().part.training


def test_apply_meets_parts_first():
    met = []
    model = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.ReLU()), nn.Tanh())
    assert model.apply(lambda module: met.append(type(module).__name__)) is model
    assert met == ["Linear", "ReLU", "Sequential", "Tanh", "Sequential"]


def test_freezing_a_part_leaves_the_rest():
    model = nn.MLP([2, 3, 1], rng=0)
    model[0].requires_grad_(False)
    assert model.num_parameters() == 13 and model.num_parameters(trainable=True) == 4
    ag.sum(model(np.ones((2, 2)))).backward()
    assert model[0].weight.grad is None and model[2].weight.grad is not None
    assert "# 13 parameters, 9 of them frozen" in repr(model)
    assert not copy.deepcopy(model)[0].weight.requires_grad
    assert not pickle.loads(pickle.dumps(model))[0].weight.requires_grad
    frozen = nn.Parameter([1.0], requires_grad=False)
    assert not frozen.requires_grad and frozen.requires_grad_() is frozen
    assert frozen.requires_grad


def test_a_graph_from_before_the_freezing_is_void():
    model = nn.Linear(2, 1, rng=0)
    out = ag.sum(model(np.ones((1, 2))))
    model.requires_grad_(False)
    with pytest.raises(ag.GraphError, match="released"):
        out.backward()


def test_a_partial_state_is_taken_when_asked_for():
    model, other = nn.MLP([2, 3, 1], rng=0), nn.MLP([2, 3, 1], rng=1)
    state = {"0.weight": other[0].weight.numpy(), "more": np.ones(1)}
    with pytest.raises(ag.UnknownNameError):
        model.load_state_dict(state)
    keys = model.load_state_dict(state, strict=False)
    assert keys.missing_keys == ["0.bias", "2.weight", "2.bias"]
    assert keys.unexpected_keys == ["more"]
    np.testing.assert_array_equal(model[0].weight.numpy(), other[0].weight.numpy())


def test_everything_that_does_not_fit_is_listed_at_once():
    model = nn.MLP([2, 3, 1], rng=0)
    before = model.state_dict()
    state = before | {"0.weight": np.ones((3, 5)), "2.bias": np.array(["x"]), "more": np.ones(1)}
    del state["0.bias"]
    for strict, error in ((True, ag.UnknownNameError), (False, ag.ShapeError)):
        with pytest.raises(error) as caught:
            model.load_state_dict(state, strict=strict)
        for words in ("0.weight of shape (3, 5) for (3, 2)", "2.bias of dtype <U1 for float32"):
            assert words in str(caught.value)
        assert ("missing ['0.bias']; unknown ['more']" in str(caught.value)) == strict
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


# ------------------------------------------------------------------------------ messages


class Clash(nn.Module):
    def __init__(self):
        self.parts = {1: nn.Parameter([1.0]), "1": nn.Parameter([2.0])}


class InASet(nn.Module):
    def __init__(self):
        self.parts = {nn.Linear(2, 2)}


ROW = np.ones((2, 3))


@pytest.mark.parametrize(
    ("mistake", "error", "words"),
    [
        (lambda: nn.LayerNorm(4)(ROW), ag.ShapeError, "(..., 4), but got (2, 3)"),
        (lambda: nn.LayerNorm((2, 4))(ROW), ag.ShapeError, "(..., 2, 4), but got (2, 3)"),
        (lambda: nn.LayerNorm(()), ag.ShapeError, "LayerNorm: positive integers"),
        (lambda: nn.LayerNorm(3, eps=-1.0), ag.ShapeError, "eps >= 0, but got -1.0"),
        (lambda: nn.RMSNorm(2.5), ag.ShapeError, "RMSNorm: positive integers"),
        (lambda: nn.RMSNorm(2)(ROW), ag.ShapeError, "rms_norm: an input of shape (..., 2)"),
        (lambda: nn.BatchNorm1d(4)(ROW), ag.ShapeError, "(N, 4) or (N, 4, L), but got (2, 3)"),
        (lambda: nn.BatchNorm1d(3)(np.ones(3)), ag.ShapeError, "but got (3,)"),
        (lambda: nn.BatchNorm1d(3, momentum=-0.1), ag.ShapeError, "momentum >= 0"),
        (
            lambda: nn.norm.batch_norm(ROW, None, None),
            ag.ShapeError,
            "running statistics in evaluation, but got None",
        ),
        (lambda: ag.standardize(np.ones((2, 0))), ag.ShapeError, "at least one element along"),
        (
            lambda: nn.Embedding(3, 2)([0.0, 1.0]),
            ag.DTypeError,
            "integer indices, but got float64",
        ),
        (lambda: nn.Embedding(3, 2)([True]), ag.DTypeError, "integer indices, but got bool"),
        (lambda: nn.Embedding(3, 2)([0, 3]), ag.ShapeError, "indices from 0 to 2, but got 3"),
        (lambda: nn.Embedding(3, 2)([-1]), ag.ShapeError, "but got -1"),
        (lambda: nn.Embedding(3, 0), ag.ShapeError, "Embedding: positive integers"),
        (lambda: nn.Embedding(3, 2, padding_idx=3), ag.ShapeError, "a padding_idx below 3"),
        (lambda: nn.Embedding(3, 2, max_norm=0.0), ag.ShapeError, "a max_norm above 0"),
        (lambda: nn.Embedding.from_pretrained([1.0]), ag.ShapeError, "a table with two axes"),
        (lambda: nn.Bilinear(3, 2, 0), ag.ShapeError, "Bilinear: positive integers"),
        (lambda: nn.Bilinear(3, 2, 1)(ROW, ROW), ag.ShapeError, "(..., 2), but got (2, 3)"),
        (
            lambda: nn.Bilinear(3, 2, 1)(ROW, np.ones((4, 2))),
            ag.ShapeError,
            "agree in all axes but the last, but got (2, 3) and (4, 2)",
        ),
        (lambda: nn.Flatten()(np.ones(3)), ag.ShapeError, "an axis 1, but got shape (3,)"),
        (lambda: nn.Flatten(2, 1)(np.ones((1, 1, 1))), ag.ShapeError, "but got 2 and 1"),
        (lambda: nn.Unflatten(1, (2, 2))(ROW), ag.ShapeError, "axis 1 of (2, 3), but got (2, 2)"),
        (lambda: nn.Residual(nn.Linear(3, 4))(ROW), ag.ShapeError, "(2, 3) of what it is added"),
        (lambda: nn.Residual("tanh"), ag.DTypeError, "Residual: modules, but got 'tanh'"),
        (lambda: nn.Lambda(3), ag.DTypeError, "a function, but got int"),
        (lambda: nn.Sequential(nn.ReLU), ag.DTypeError, "not a list or a class"),
        (lambda: nn.Sequential({"a.b": nn.ReLU()}), ag.UnknownNameError, "without dots"),
        (lambda: nn.Sequential(nn.ReLU())["b"], ag.UnknownNameError, "among 0, but got 'b'"),
        (lambda: nn.Sequential(nn.ReLU())[1], IndexError, "below its length 1, but got 1"),
        (lambda: nn.Sequential(nn.ReLU())[0.5], ag.DTypeError, "an integer index"),
        (lambda: nn.Sequential({"1": nn.ReLU()}).append(nn.ReLU()), ag.UnknownNameError, "'1'"),
        (lambda: nn.ModuleList([3]), ag.DTypeError, "ModuleList: modules, but got 3"),
        (lambda: nn.ModuleList(nn.ReLU()), ag.DTypeError, "several modules, but got ReLU"),
        (lambda: nn.ModuleDict([nn.ReLU()]), ag.DTypeError, "modules by name, but got list"),
        (lambda: nn.ModuleDict()["a"], ag.UnknownNameError, "among none, but got 'a'"),
        (lambda: nn.AlphaDropout(1.0), ag.ShapeError, "AlphaDropout: 0 <= p < 1"),
        (lambda: nn.dropout.dropout(ROW, 1.5, rng=0), ag.ShapeError, "dropout: 0 <= p < 1"),
        (lambda: Clash().state_dict(), ag.UnknownNameError, "'parts.1' twice"),
        (lambda: list(InASet().parameters()), ag.DTypeError, "but got a set"),
        (lambda: Everything().requires_grad_(False), ag.GraphError, "plain, an nn.Parameter"),
    ],
)
def test_messages(mistake, error, words):
    with pytest.raises(error) as caught:
        mistake()
    assert words in str(caught.value)
    assert "but got" in str(caught.value)


@pytest.mark.parametrize(
    ("layer", "function"),
    [
        (nn.LeakyReLU(0.3), lambda x: ag.leaky_relu(x, slope=0.3)),
        (nn.ELU(0.7), lambda x: ag.elu(x, alpha=0.7)),
        (nn.CELU(1.3), lambda x: ag.celu(x, alpha=1.3)),
        (nn.Hardtanh(-0.5, 0.7), lambda x: ag.clip(x, -0.5, 0.7)),
        (nn.Hardshrink(0.3), lambda x: ag.hard_shrink(x, lambd=0.3)),
        (nn.Softshrink(0.3), lambda x: ag.softshrink(x, lambd=0.3)),
        (nn.Softplus(2.0), lambda x: ag.log(1.0 + ag.exp(2.0 * x)) / 2.0),
        (nn.Threshold(0.2, -3.0), lambda x: ag.where(x > 0.2, x, -3.0)),
        (nn.Softmax(0), lambda x: ag.softmax(x, axis=0)),
        (nn.LogSoftmax(0), lambda x: ag.log_softmax(x, axis=0)),
        (nn.Softmin(0), lambda x: ag.softmin(x, axis=0)),
        (nn.GLU(0), lambda x: x[:2] * ag.sigmoid(x[2:])),
    ],
    ids=lambda part: type(part).__name__,
)
def test_options_of_activations_reach_their_functions(layer, function):
    x = np.linspace(-1.0, 1.1, 12).reshape(4, 3)
    np.testing.assert_allclose(layer(x), function(x), rtol=1e-14)


def test_rows_may_have_several_leading_axes():
    rng = np.random.default_rng(0)
    a, b, c = rng.normal(size=(3, 2, 4, 5))
    flat = [x.reshape(8, 5) for x in (a, b, c)]
    for p in (1.0, 2.0, 3.0, np.inf):
        triplet = nn.TripletMarginLoss(p=p)
        np.testing.assert_allclose(triplet(a, b, c).item(), triplet(*flat).item())


def test_alpha_dropout_has_the_scale_of_its_formula():
    x, p, low = np.linspace(-1.0, 1.0, 40), 0.25, -1.7580993408473766
    out = np.asarray(nn.functional.alpha_dropout(x, p, training=True, rng=0))
    a = 1.0 / np.sqrt((1.0 - p) * (1.0 + p * low**2))
    kept, gone = a * x - a * low * p, a * low * (1.0 - p)
    assert np.all(np.isclose(out, kept, rtol=1e-12) | np.isclose(out, gone, rtol=1e-12))
    assert 0 < np.isclose(out, gone).sum() < 40
