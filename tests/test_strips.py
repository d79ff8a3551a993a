"""Loops over the same rows go over strips of them together, and give what they gave."""

import re
from collections import OrderedDict

import numpy as np
import pytest

import autograd_core as ag
from autograd_core.compiler import body, leaving, native, sharing, strips
from autograd_core.compiler.accesses import Access, Reader, Touched, terms
from autograd_core.compiler.memory import Block
from autograd_core.compiler.positions import FAR
from autograd_core.compiler.running import Stale
from autograd_core.kernels.threads import get_num_threads, set_num_threads

N = 1030  # rows: no multiple of a strip
SMALL = 1 << 12  # bytes
GENERATOR = np.random.default_rng(5)
X, W = GENERATOR.uniform(0.5, 1.5, (2, N, 3))


# ---------------------------------------------------------------------------- what is in a text

BLOCKS = [Block(800, 0, 3), Block(2400, 1, 3), Block(800, 2, 2, root=0)]


def read(text, extent=0, free=("y",)):
    return Reader(BLOCKS, {"x", "y", "a0"}, free).read(text.split("\n"), extent)


def test_a_loop_over_rows():
    text = f"""for i0 in range(100):
    for i1 in range(3):
        v3_ = work_float64[{2 * FAR + 1} + i0 * 3 + i1]
        y[i0 * 2] = v3_ + x[i0]"""
    assert read(text).rounds == 100
    assert read(text).accesses == [
        Access(1, False, 24, 8, 32),
        Access("y", True, 2, 0, 1),
        Access("x", False, 1, 0, 1),
    ]


@pytest.mark.parametrize(
    ("head", "last"),
    [("range(0, 7, 4)", 7), ("range(b, min(b + 4, 9))", 9), ("range(5)", 5)],
)
def test_how_far_inner_loops_go(head, last):
    found = read(f"for i0 in range(10):\n    for i1 in {head}:\n        y[i0 * 9 + i1] = 0.0")
    assert found.accesses == [Access("y", True, 9, 0, last)]


def test_what_is_added_to_is_read_and_written():
    (y, x) = read("for i0 in range(10):\n    y[i0] += x[i0]").accesses
    assert y.writes and not x.writes


def test_a_table_says_where_in_an_array_outside():
    text = "for i0 in range(10):\n    k_from = a0[i0]\n    y[i0] = x[2 + k_from]"
    assert read(text).accesses[2] == Access("x", False)
    assert read(text.replace("x[", "work_float64[")) is None


@pytest.mark.parametrize(
    "line",
    [
        "x[i0] = 0.0",  # which others see
        "y[i0] = f(x, int(3) + i0)",
        "y[i0] = F(i0)",
        "y[i0] = x[5 - i0]",
        "y[i0] = x[a0[i0]]",
        "s0[0] = y[i0]",
    ],
)
def test_what_a_text_does_not_tell(line):
    assert read(f"for i0 in range(10):\n    {line}") is None


def test_a_check_reads_one_element_after_the_other():
    text = "if not is_finite({}):\n    return int(1)"
    assert read(text.format("y[4:34]")) == (30, [Access("y", False, 1, 4, 5)], True)
    assert read(text.format("y[2:3] * 2")) == (0, [Access("y", True)], False)
    assert read(text.format("x[0:30]")) is None


def test_other_lines():
    assert read(
        f"work_float64[{3 * FAR + 3}] = F(total_of(work_float64[{2 * FAR}:{2 * FAR + 9}]))"
    ).accesses == [
        Access(0, True),
        Access(1, True),
    ]
    assert read("f(x[0:10])") is None and read("f(work_float64, int(3))") is None
    assert read("for i0 in range(begin, end):\n    y[i0] = 0.0", extent=7).rounds == 7


def test_rows_of_several_rounds():
    pair = Access(0, True, 8, 0, 8)
    assert [pair.pitch_of_rows(rounds) for rounds in (1, 3)] == [8, 24]
    assert pair._replace(pitch=16, first=8, end=16).pitch_of_rows(3) == 48


@pytest.mark.parametrize("changes", [{"pitch": 0}, {"end": 9}, {"first": 8, "end": 16}])
def test_rows_that_meet_those_of_others(changes):
    assert Access(0, True, 8, 0, 8)._replace(**changes).pitch_of_rows(1) == 0


def test_who_writes_anywhere_is_alone_and_no_thread():
    anywhere = Touched(2000, [Access("y", True), Access("x", False, 8, 0, 8)])
    assert not strips._Run().takes(0, anywhere, shared=True)
    run = strips._Run()
    assert run.takes(0, anywhere, shared=False)
    assert not run.takes(1, Touched(2000, [Access("y", False, 8, 0, 8)]), shared=True)


def test_no_position():
    assert terms("5 - i0") is None and terms("min(i0)") is None


# ---------------------------------------------------------------------------------- programs


@pytest.fixture
def strip(monkeypatch):
    """Let arrays of few kilobytes be worth strips, of 64 rows, and sums part of loops."""
    monkeypatch.setattr(sharing, "_FAMILIES", OrderedDict())  # programs of their own
    monkeypatch.setattr(strips, "LARGE", SMALL)
    monkeypatch.setattr(strips, "LARGEST", 64)
    return monkeypatch


def run(function, *arrays):
    """Return what a compiled function returns, and its compiled form."""
    compiled = ag.compile(function, audit=False)
    for factor in (0.9, 1.1):
        compiled(*(factor * x for x in arrays))
    return flat(compiled(*arrays)), compiled


def run_with(strip, large, function, *arrays):
    """Run where so many bytes are worth strips."""
    strip.setattr(strips, "LARGE", large)
    strip.setattr(sharing, "_FAMILIES", OrderedDict())
    return run(function, *arrays)


def flat(found):
    parts = found if isinstance(found, tuple) else (found,)
    return [leaf for x in parts for leaf in (flat(x) if isinstance(x, tuple) else [value(x)])]


def value(x):
    return np.array(x._value if isinstance(x, ag.Tensor) else x)


def text(compiled):
    (program,) = compiled.programs
    (segment,) = program.segments
    return segment.source


def alike(function, arrays, strip):
    """Check a program with strips against the function; return its text."""
    got, compiled = run_with(strip, SMALL, function, *arrays)
    for one, other in zip(got, flat(function(*arrays)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-12)
    return text(compiled)


def turned(x, w):
    size = ag.sqrt(ag.sum(x * x, axis=1, keepdims=True))
    along = ag.sum(x / size * w, axis=1, keepdims=True)
    return (ag.cross(x, w) * along + w)[:, :2] / size


def columns(x, w):
    joined = ag.concatenate([x[:, :1], ag.sum(x * w, axis=1, keepdims=True), w], axis=1)
    return ag.sum(joined * joined, axis=1) * ag.exp(-joined[:, 2])


def total(x, w):
    return ag.sum(turned(x, w) ** 2) + ag.mean(x * w)


@pytest.mark.parametrize(
    "function",
    [turned, columns, ag.value_and_grad(total, argnums=(0, 1))],
    ids=["rows", "columns", "gradient"],
)
def test_rows_go_over_strips(function, strip):
    got, compiled = run_with(strip, SMALL, function, X, W)
    found = text(compiled)
    assert "range(17)" in found and "min(64, 1030 - r0 * 64)" in found
    for one, other in zip(got, flat(function(X, W)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-12)
    straight, plain = run_with(strip, 1 << 40, function, X, W)
    assert "for r0" not in text(plain)
    for one, other in zip(got, straight, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-13, atol=1e-13)  # vectors end elsewhere


@pytest.mark.parametrize("rows", [1024, 1025, 1087])
def test_whole_strips_and_a_rest(rows, strip):
    assert "for r0" in alike(
        turned, (X[:1][np.zeros(rows, int)] * 1.5, W[:1].repeat(rows, 0)), strip
    )


@pytest.mark.parametrize("rows", [0, 1, 1023])
def test_few_rows_are_left_alone(rows, strip):
    got, compiled = run(turned, X[:rows], W[:rows])
    np.testing.assert_allclose(got[0], value(turned(X[:rows], W[:rows])), rtol=1e-12)
    assert all("for r0" not in s.source for p in compiled.programs for s in p.segments)


def test_small_programs_have_the_text_that_they_had():
    _, compiled = run(turned, X, W)
    assert "for r0" not in text(compiled)


POINTS = GENERATOR.uniform(-1.5, -0.5, (3000, 3))  # large enough to be given away
INDEX = GENERATOR.integers(0, 40, N)


def gathered(points, x, w):
    return ag.sum(turned(x - points[INDEX], w) * w[:, :2])


def test_rows_that_are_gathered_and_scattered(strip):
    gradient = ag.value_and_grad(gathered, argnums=(0, 1))
    found = alike(gradient, (POINTS, X, W), strip)
    assert re.search(r"for r0.*\n(?: .*\n)* +\w+\[.*k_to\] \+= ", found)


def shifted(x, w):
    y = turned(x, w)
    return y[1:] - y[:-1] * ag.sum(y[:-1], axis=1, keepdims=True)


def backwards(x, w):
    y = turned(x, w)
    return y[::-1] * ag.sum(y, axis=1, keepdims=True) + y


def centred(x, w):
    y = turned(x, w)
    return columns(y - ag.mean(y, axis=0), w[:, :2])


def summed_up(x, w):
    return ag.cumsum(turned(x, w), axis=0) * turned(w, x)


def transposed(x, w):
    y = turned(x, w)
    return ag.sum(y.reshape(2, -1).T * y, axis=1) + y[:, 0]


def two_runs(x, w):
    y = turned(x, w)
    return turned(x @ (x.T @ w) / 1e3, x) * y + turned(y @ ag.ones((2, 3)), w)


@pytest.mark.parametrize(
    "function",
    [shifted, backwards, summed_up, transposed],  # the others below, with gradients
    ids=lambda function: function.__name__,
)
def test_rows_that_depend_on_others(function, strip):
    alike(function, (X, W), strip)


@pytest.mark.parametrize("function", [centred, two_runs], ids=["centred", "two runs"])
def test_gradients_of_rows_that_depend_on_others(function, strip):
    def objective(x, w):
        y, pull = ag.vjp(function, x, w)
        return y, pull(ag.tanh(y))

    assert "for r0" in alike(objective, (X, W), strip)


def test_what_passes_has_room_for_a_strip(strip):
    found = (run_with(strip, large, turned, X, W)[1] for large in (SMALL, 1 << 40))
    passing, straight = (compiled.programs[0].segments[0].size for compiled in found)
    assert 3 * passing < straight


def test_checks_of_gradients_in_between_come_after(strip):
    def twice(x, w):
        y, pull = ag.vjp(turned, x, w)
        return y, pull(np.ones((N, 2))), pull(np.full((N, 2), 0.5))

    found = alike(twice, (X, W), strip)
    assert found.count("for r0") == 1 and found.index("is_finite(") > found.index("for r0")


def jacobian(x, w):
    _, pull = ag.vjp(columns, x, w)
    return pull(np.ones(len(x))), pull(np.arange(len(x)) % 2.0)


CHECKED = [np.resize(array, (3000, 3)) for array in (X, W)]  # large enough to be given away


def test_gradients_are_checked_strip_by_strip(strip):
    found = alike(jacobian, CHECKED, strip)
    assert found.count("for r0") == 1
    checks = re.findall(r"\n( +)if not is_finite\(\w+\[r0 \* 192:min\(.*, 9000\)\]", found)
    assert len(checks) == 2 and set(checks) == {"        "}


@pytest.fixture
def three():
    """Three threads, whatever the machine has."""
    before = get_num_threads()
    set_num_threads(3)
    yield
    set_num_threads(before)


def test_threads_leave_checks_for_afterwards(strip, three):
    strip.setattr(body, "PARALLEL", 1 << 8)
    found = alike(jacobian, CHECKED, strip)
    assert "for lane" in found and not re.search(r"is_finite\(.*r0", found)


@pytest.mark.parametrize("row", [0, 1500, 2999])
def test_a_check_in_any_strip_ends_the_run(row, strip):
    _, compiled = run(jacobian, *CHECKED)
    bad = CHECKED[1].copy()
    bad[row, 1] = np.nan  # of which only one gradient knows, at this row
    with np.errstate(all="ignore"), pytest.raises(Stale, match="finite"):
        compiled.programs[0].run((CHECKED[0], bad))


def test_what_is_checked_and_used_afterwards(strip):
    def used(x, w):
        (g, h), _ = jacobian(x, w)
        return ag.sum(g * h, axis=1)

    found = alike(used, CHECKED, strip)
    checked, *_ = re.findall(r"is_finite\((work_float64\[\d+ \+ r0 \* 192):", found)
    assert f"{checked} + i0 * 3 + i1] = " in found  # which has room for all rows


# ---------------------------------------------------------------------------- column by column


def test_rows_lie_column_by_column(strip):
    found = alike(turned, (X, W), strip)
    assert re.search(r"work_float64\[(\d+ \+ )?i0 \+ i1 \* 64\] = ", found)
    assert not re.search(r"work_float64\[[^\]]*i0 \* 3", found)


def test_loops_over_all_elements_go_over_columns(strip):
    def powers(x, w):
        y = ag.cross(x, w)
        z = ag.exp(y) * y  # of these arrays alone, which lie as it likes
        return ag.sum(ag.cross(z, w) * x[:, :1], axis=1)

    found = alike(powers, (X, W), strip)
    assert "for j0 in range(3):" in found


def test_long_rows_stay_rows(strip):
    def wide(x, w):
        y = ag.concatenate([x * w, x] * 10, axis=1)
        return ag.sum(y / ag.sqrt(ag.sum(y * y, axis=1, keepdims=True)), axis=1)

    found = alike(wide, (X, W), strip)
    assert "i0 * 60 + i1]" in found


def test_threads_share_strips(strip, three):
    strip.setattr(body, "PARALLEL", 1 << 8)
    strip.setattr(body, "GRAIN", 1 << 6)
    gradient = ag.value_and_grad(total, argnums=(0, 1))
    found = alike(gradient, (X, W), strip)
    (room,) = set(map(int, re.findall(r"\[(?:\d+ \+ )?lane \* (\d+)", found)))
    first, compiled = run_with(strip, SMALL, gradient, X, W)
    assert 64 * 8 < room * 8 < compiled.programs[0].segments[0].size / strips.LANES
    for threads in [1, *[3] * 50]:
        set_num_threads(threads)
        for x, y in zip(first, flat(compiled(X, W)), strict=True):
            np.testing.assert_array_equal(x, y)


def test_threads_write_to_rows_of_their_own(strip, three):
    strip.setattr(body, "PARALLEL", 1 << 8)
    found = alike(ag.value_and_grad(gathered, argnums=(0, 1)), (POINTS, X, W), strip)
    shared = "".join(re.findall(r"^    for lane .*\n(?:     .*\n)*", found, re.MULTILINE))
    assert shared and "k_to" in found.replace(shared, "") and "k_to" not in shared


def test_machine_code_for_any_size(strip):
    compiled = ag.compile(total, audit=False, dynamic=True)
    for rows in (1024, 1030, 1100, 1200):
        x, w = np.resize(X, (rows, 3)), np.resize(W, (rows, 3))
        for factor in (0.9, 1.1, 1.0):
            got = compiled(factor * x, factor * w)
        np.testing.assert_allclose(value(got), value(total(x, w)), rtol=1e-12)
    sources = [p.segments[0].source for p in compiled.programs]
    assert len(sources) == 4 and all("for r0" in source for source in sources)


def test_what_repeats_is_a_loop_first(strip):
    strip.setattr(native, "LONG", 100)

    def steps(x, w):
        for _ in range(12):
            x = x - 0.1 * ag.sum(x * w, axis=1, keepdims=True) * w
        return x

    found = alike(steps, (X, W), strip)
    assert "for r1 in" in found


# ------------------------------------------------------------------------------ past the caches


@pytest.fixture
def leave(strip):
    """Let results of few kilobytes be written past the caches."""
    strip.setattr(leaving, "LARGE", SMALL)
    return strip


def rowwise(x, w):
    size = ag.sqrt(ag.sum(x * x, axis=1, keepdims=True))
    along = ag.sum(x / size * w, axis=1, keepdims=True)
    return ag.cross(x, w) * along, x * along


def left(found):
    """Return the names of results that leave strips, and of those that strips write."""
    names = set(re.findall(r"leave_float\d\d\((\w+)\[", found))
    return names, set(re.findall(r"^ +(v\d+)\[r0.*\] = ", found, re.MULTILINE))


@pytest.mark.parametrize("rows", [3000, 3001, 3071])
def test_large_results_leave_strips(rows, leave):
    found = alike(rowwise, [np.resize(array, (rows, 3)) for array in (X, W)], leave)
    names, written = left(found)
    assert len(names) == 2 and not names & written
    assert found.count("drained()") == 1 and found.index("drained()") > found.rindex("leave_")


def test_what_leaves_has_the_same_bits(leave):
    (first, _), (second, plain) = run(rowwise, *CHECKED), _run_without_leaving(leave)
    assert not left(text(plain))[0]
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


def _run_without_leaving(leave):
    leave.setattr(leaving, "LARGE", 1 << 40)
    return run_with(leave, SMALL, rowwise, *CHECKED)


def test_single_precision_leaves_strips(leave):
    arrays = [np.resize(array, (6000, 3)).astype(np.float32) for array in CHECKED]
    got, compiled = run(rowwise, *arrays)
    assert len(left(text(compiled))[0]) == 2
    for one, other in zip(got, flat(rowwise(*arrays)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


def used_afterwards(x, w):
    y, z = rowwise(x, w)
    return y, z, ag.sum(y[::-1] * y)


def written_twice(x, w):
    y, _ = rowwise(x, w)
    return ag.concatenate([y, y[::-1]])


@pytest.mark.parametrize("function", [used_afterwards, written_twice])
def test_what_others_touch_stays(function, leave):
    names, written = left(alike(function, CHECKED, leave))
    assert not names & written and len(names) == (function is used_afterwards)


def test_checks_of_what_leaves_read_it_near_by(leave):
    found = alike(jacobian, CHECKED, leave)
    assert len(left(found)[0]) == 4
    checks = re.findall(
        r"is_finite\(work_float64\[(\d+):\1 \+ min\(192, 9000 - r0 \* 192\)\]", found
    )
    assert len(checks) == 2


@pytest.mark.parametrize("row", [0, 1500, 2999])
def test_a_check_of_what_leaves_ends_the_run(row, leave):
    _, compiled = run(jacobian, *CHECKED)
    assert left(text(compiled))[0]
    bad = CHECKED[1].copy()
    bad[row, 1] = np.nan
    with np.errstate(all="ignore"), pytest.raises(Stale, match="finite"):
        compiled.programs[0].run((CHECKED[0], bad))


def test_threads_write_past_the_caches(leave, three):
    leave.setattr(body, "PARALLEL", 1 << 8)
    leave.setattr(body, "GRAIN", 1 << 6)
    found = alike(rowwise, CHECKED, leave)
    assert left(found)[0] and re.search(
        r"leave_float64\(.*\+ lane \* \d+:.*\n    drained\(\)", found
    )
    first, compiled = run(rowwise, *CHECKED)
    for threads in [1, *[3] * 50]:
        set_num_threads(threads)
        for x, y in zip(first, flat(compiled(*CHECKED)), strict=True):
            np.testing.assert_array_equal(x, y)


def test_machine_code_for_any_size_leaves_strips(leave):
    compiled = ag.compile(rowwise, audit=False, dynamic=True)
    for rows in (3000, 3030, 3100, 3200):
        x, w = np.resize(X, (rows, 3)), np.resize(W, (rows, 3))
        for factor in (0.9, 1.1, 1.0):
            got = compiled(factor * x, factor * w)
        for one, other in zip(flat(got), flat(rowwise(x, w)), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)
    assert all(left(p.segments[0].source)[0] for p in compiled.programs)


def test_truth_values_do_not_leave_strips(leave):
    def compared(x, w):
        y, z = rowwise(x, w)
        return y, z > y

    arrays = [np.resize(array, (30_000, 3)) for array in (X, W)]  # of bytes enough
    names, written = left(alike(compared, arrays, leave))
    assert len(names) == 1 and len(written) == 1


def test_results_of_long_texts_leave_strips(leave):
    leave.setattr(native, "LONG", 100)

    def steps(x, w):
        y, z = rowwise(x, w)
        for _ in range(12):
            x = x - 0.1 * ag.sum(x * w, axis=1, keepdims=True) * w
        return y, z * x

    assert left(alike(steps, CHECKED, leave))[0]


# ---------------------------------------------------------------------------- stacks of matrices

STACK = GENERATOR.uniform(-1.0, 1.0, (7, 40, 12))
SQUARES = GENERATOR.uniform(-1.0, 1.0, (7, 12, 12))


@pytest.fixture
def stack(strip):
    """Let rows of some hundred bytes be wide, and caches small."""
    strip.setattr(strips, "WIDE", 1 << 8)
    strip.setattr(strips, "SECOND", 1 << 10)
    return strip


def distances(x, r):
    y = (x - ag.mean(x, axis=1, keepdims=True)) @ ag.matrix_transpose(r)
    return ag.sum(y * y, axis=2)


def of_stacks(x, r):
    return ag.sum(ag.logsumexp(-distances(x, r), axis=0))


def test_a_product_says_how_far_it_reaches():
    places = f"{FAR} + i0 * 360", f"{2 * FAR} + i0 * 560", f"{3 * FAR}"
    given = ["x[i0 * 1500:]", *(f"work_float64[{place}:]" for place in places)]
    call = ", ".join(f"{matrix}.ctypes.data" for matrix in given)
    text = f"for i0 in range(7):\n    dproduct_40x12x30_tn_50_13_14_add({call})"
    spans = 29 * 50 + 40, 8 * (29 * 13 + 12), 8 * (39 * 14 + 12)
    assert read(text).accesses == [
        Access("x", False, 1500, 0, spans[0]),
        Access(0, False, 8 * 360, 0, spans[1]),
        Access(1, True, 8 * 560, 0, spans[2]),
        Access(0, True, 0, 0, 8),
    ]


def test_a_product_without_need_of_room_writes_its_result_alone():
    text = "for i0 in range(7):\n    dproduct_4x3x2_nt_2_2_3(x[i0 * 8:].ctypes.data, "
    text += "x[i0 * 6:].ctypes.data, y[i0 * 12:].ctypes.data, x[i0 * 8:].ctypes.data)"
    found = read(text).accesses
    assert [(a.home, a.writes, a.end) for a in found] == [
        ("x", False, 8),
        ("x", False, 6),
        ("y", True, 12),
        ("x", False, 8),
    ]


@pytest.mark.parametrize(
    "function", [distances, ag.value_and_grad(of_stacks, argnums=(0, 1))], ids=["sums", "gradient"]
)
def test_stacks_of_matrices_go_over_strips_of_one(function, stack):
    found = alike(function, (STACK, SQUARES), stack)
    assert re.search(r"for r0 in range\(7\)(.*\n)* +dproduct_.*r0", found)


def test_what_stacks_pass_has_room_for_one(stack):
    found = (run_with(stack, large, distances, STACK, SQUARES)[1] for large in (SMALL, 1 << 40))
    passing, straight = (compiled.programs[0].segments[0].size for compiled in found)
    assert 3 * passing < straight


def twice(x, r):
    y = x @ r @ r  # between them it lies as products read it
    return ag.sum(y * y, axis=2)


def test_products_read_rows(stack):
    stack.setattr(strips, "SECOND", 1 << 15)  # room for several
    assert alike(twice, (STACK, SQUARES), stack).count("for r0") == 1


def scaled(x, _):
    y = ag.exp(x)
    z = y / ag.sum(y * x, axis=(1, 2), keepdims=True)
    w = z / ag.sum(z * z, axis=(1, 2), keepdims=True)
    return ag.sum(w * ag.tanh(w), axis=(1, 2))


def test_threads_do_not_share_strips_of_wide_rows(stack, three):
    assert "for r0" in alike(scaled, (STACK, SQUARES), stack)
    stack.setattr(body, "PARALLEL", 1 << 8)
    stack.setattr(body, "GRAIN", 1 << 6)
    assert "for lane" not in alike(scaled, (STACK, SQUARES), stack)


def test_one_strip_is_none(strip):
    strip.setattr(strips, "WIDE", 1 << 8)
    assert "for r0" not in alike(distances, (STACK, SQUARES), strip)


def test_many_rows_stay_many_beside_a_stack(strip):
    def beside(x, w):
        y = turned(x, w)
        z = y.reshape(10, 103, 2)
        return ag.sum((z @ ag.matrix_transpose(z)) ** 2, axis=2)

    found = alike(beside, (X, W), strip)
    assert "min(64, 1030 - r0 * 64)" in found


@pytest.mark.parametrize(
    ("width", "rows"), [(256, 256), (1000, 64), (60_000, 8), (100_000, 4), (600_000, 1)]
)
def test_strips_have_as_many_rows_as_a_cache_holds(width, rows):
    assert strips._step(width) == rows
