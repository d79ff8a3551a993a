"""What LLVM is told about the loops of kernels; `benchmarks.scalars` shows what it makes of it."""

import llvmlite.binding
import numba
import numpy as np
import pytest
from llvmlite import ir

from autograd_core.kernels import access, building, generate, jit, wide


def nested():
    """Return a function of two loops, one in the other."""
    function = ir.Function(ir.Module(), ir.FunctionType(ir.VoidType(), [ir.IntType(1)]), "nested")
    entry, outer, inner, rest, end = map(function.append_basic_block, "eoirx")
    ir.IRBuilder(entry).branch(outer)
    ir.IRBuilder(outer).branch(inner)
    ir.IRBuilder(inner).cbranch(function.args[0], inner, rest)
    ir.IRBuilder(rest).cbranch(function.args[0], outer, end)
    ir.IRBuilder(end).ret_void()
    return function


def test_every_loop_is_marked_once_and_nothing_else():
    function = nested()
    wide.widen(function)
    text = str(llvmlite.binding.parse_assembly(str(function.module)))
    marked = [line for line in text.splitlines() if "!llvm.loop " in line]
    assert [line.split("label")[1] for line in marked] == [" %i, ", " %o, "]
    assert len({line.split("!llvm.loop ")[1] for line in marked}) == 2
    assert text.count("distinct !{") == 2
    assert '"prefer-vector-width"="512"' in text
    assert '!"llvm.loop.interleave.count", i32 2' in text


def test_a_loop_with_a_long_round_has_more_vectors_side_by_side():
    function = nested()
    inner = function.basic_blocks[2]
    inner.long_round = True
    wide.widen(function)
    text = str(llvmlite.binding.parse_assembly(str(function.module)))
    counts = [line[-1 - len("}")] for line in text.splitlines() if "interleave.count" in line]
    assert sorted(counts) == ["4"]  # the loop around it is not made of vectors
    function = nested()
    function.basic_blocks[3].long_round = True
    wide.widen(function)
    text = str(llvmlite.binding.parse_assembly(str(function.module)))
    assert 'count", i32 2}' in text and 'count", i32 4}' in text


@pytest.mark.parametrize(
    ("loop", "is_marked"),
    [
        ("for i in range(x.size):\n        out[i] = tanh(x[i])", True),
        ("for i in range(256):\n        out[i] = tanh(x[i])", True),
        ("for i in range(n, min(n + 512, 4000)):\n        out[i] = tanh(x[i])", True),
        ("for i in range(255):\n        out[i] = tanh(x[i])", False),
        ("for i in range(n, min(n + 512, 40)):\n        out[i] = tanh(x[i])", False),
        ("for i in range(x.size):\n        out[i] = relu(x[i])", False),
        (
            "for k in range(999):\n        for i in range(99):\n            out[i] = exp(x[i])",
            False,
        ),
    ],
)
def test_loops_over_many_elements_that_evaluate_a_series_say_so(loop, is_marked):
    text = generate.text(f"def f(x, out, n):\n    {loop}\n", "float32")
    assert ("long_round()" in text) == is_marked


@pytest.mark.parametrize(
    ("loop", "is_marked"),
    [
        ("for j in range({}):\n            out[i * 32 + j] = x[j] - x[i]", True),
        ("for j in range({}):\n            out[i * 32 + j] = tanh(x[j])", True),
        ("for j in range({}):\n            out[i] = x[j * 32 + i]", False),
        ("for j in range(min({}, n)):\n            out[j] = x[j]", False),
    ],
)
@pytest.mark.parametrize(("length", "fits"), [(15, False), (16, True), (255, True), (256, False)])
def test_loops_along_short_rows_say_so(loop, is_marked, length, fits):
    source = f"def f(x, out, n):\n    for i in range(9):\n        {loop.format(length)}\n"
    text = generate.text(source, "float32")
    assert ("by_vectors()" in text) == (is_marked and fits)
    assert "by_vectors()" not in generate.text(
        source.replace("for i in range(9)", "if n"), "float32"
    )


def test_a_row_of_vectors_is_not_written_out():
    function = nested()
    function.basic_blocks[2].by_vectors = True
    wide.widen(function)
    text = str(llvmlite.binding.parse_assembly(str(function.module)))
    assert "llvm.loop.unroll.disable" in text
    source = "def f(x, out):\n    for i in range(9):\n        for j in range(40):\n"
    source += "            out[i * 40 + j] = x[i * 40 + j] * x[j] + x[i]\n"
    x, results = np.linspace(-2.0, 3.0, 360), []
    marked = generate.text(source, "float64")
    for each in (marked, marked.replace("            by_vectors()\n", "")):
        results.append(np.zeros(360))
        jit.compile_source("f", each, "(float64[::1], float64[::1])")(x, results[-1])
    assert "by_vectors" in marked
    np.testing.assert_array_equal(*results)


def test_a_long_round_computes_the_same():
    source = "def f(x, out):\n    for i in range(x.size):\n        out[i] = exp(x[i])\n"
    texts = [generate.text(source, "float32")]
    texts.append(texts[0].replace("        long_round()\n", ""))
    assert texts[0] != texts[1]
    x = np.linspace(-90.0, 90.0, 1001, dtype=np.float32)
    results = []
    for text in texts:
        results.append(np.empty_like(x))
        jit.compile_source("f", text, "(float32[::1], float32[::1])")(x, results[-1])
    np.testing.assert_array_equal(*results)


def test_what_remains_after_full_vectors_is_computed():
    source = "def f(x, out):\n    for i in range(x.size):\n        out[i] = exp(x[i])\n"
    loop = jit.compile_loop(source, "float32", "(float32[::1], float32[::1])")
    for n in range(70):
        x = np.linspace(-3.0, 3.0, n, dtype=np.float32)
        out = np.full(n + 1, 7.0, np.float32)
        loop(x, out[:n])
        np.testing.assert_array_max_ulp(out[:n], np.exp(x), 2)
        assert out[n] == 7.0


def test_a_loop_that_begins_anywhere_takes_neighbours(monkeypatch):
    # A position that may count from the end is chosen for each element: a gather.
    def double(x, y, begin, end):
        for i in range(begin, end):
            for j in range(i * 512, min(i * 512 + 512, 4000)):
                y[j] = x[j] * x[j] + x[j]

    ours = assembly(double)
    monkeypatch.setattr(access, "from_start", lambda signature: signature)
    monkeypatch.setattr(access, "is_row", lambda kind: False)
    if "gather" not in assembly(double):
        pytest.skip("the processor cannot gather")
    assert "gather" not in ours


ADDED = """
@inline
def added(x, y):
    for i in range(x.size):
        y[i] += x[i]

@inline_calls
def again(x, y):
    added(x, y)
    added(x, y)

@only_calls
def three_times(x, y):
    again(x, y)
    added(x, y)
"""


def test_who_only_calls_others_is_not_optimized_with_them(monkeypatch, tmp_path):
    thorough, full = [], wide.codegen.CPUCodeLibrary._optimize_final_module

    def noted(library):
        thorough.append(library.name)
        full(library)

    monkeypatch.setenv("AUTOGRAD_CORE_CACHE", str(tmp_path))
    monkeypatch.setattr(wide.codegen.CPUCodeLibrary, "_optimize_final_module", noted)
    kernel = building.build("three_times", ADDED, "(float64[::1], float64[::1])")
    x, y = np.arange(100.0), np.ones(100)
    kernel(x, y)
    assert y.tolist() == (3 * x + 1).tolist()
    assert "added" in thorough and not {"three_times", "again"} & set(thorough)


def assembly(function):
    """Return what LLVM makes of a function."""
    kernel = numba.njit(**building.FLAGS)(function)
    kernel.compile("(float32[::1], float32[::1], intp, intp)")
    return "".join(kernel.inspect_asm().values())


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ("x[1:3]", [1, 2]),
        ("x[2:]", [2, 3]),
        ("x[:2]", [0, 1]),
        ("x[3:9]", [3]),
        ("x[7:]", []),
        ("x[3:2]", []),
    ],
)
def test_a_slice_ends_where_the_array_does(part, expected):
    lines = ["y = " + part, "out[0] = y.size", "for i in range(y.size):", "    out[1 + i] = y[i]"]
    source = "def f(x, out):\n" + "".join(f"    {line}\n" for line in lines)
    f = jit.compile_source("f", source, "(float64[::1], float64[::1])")
    out = np.full(6, -1.0)
    f(np.arange(4.0), out)
    assert out.tolist() == [len(expected), *expected, *[-1.0] * (5 - len(expected))]


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint16", "int64", "float32", "float64"])
def test_elements_are_converted_as_numpy_does(dtype):
    source = "def f(x, y, k):\n    y[k] = x[1]\n    y[0] = x[k]\n"
    numba_name = {"bool": "boolean"}.get(dtype, dtype)
    f = jit.compile_source("f", source, f"(float64[::1], {numba_name}[::1], int32)")
    x, y = np.array([0.0, 1.0, 100.0]), np.zeros(3, dtype)
    f(x, y, 2)
    assert y.tolist() == [x[2].astype(dtype).item(), 0, x[1].astype(dtype).item()]


def test_references_are_counted_only_in_a_text_that_makes_arrays():
    # Without, an argument is unpacked without memory for its count.
    plain = "def f(x):\n    x[0] = 1.0\n"
    source = (
        "import numpy as np\n\ndef f(x):\n    y = np.empty(2)\n    y[0] = 2.0\n    x[0] = y[0]\n"
    )
    x = np.zeros(1)
    jit.compile_source("f", source, "(float64[::1],)")(x)
    assert x[0] == 2.0
    kernel = building._kernel("f", building._load("f", plain, None), None, _nrt=False)
    kernel.compile("(float64[::1],)")
    assert not any("NRT_adapt" in text for text in kernel.inspect_llvm().values())
