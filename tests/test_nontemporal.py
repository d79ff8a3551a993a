"""Copies past the caches: every number, none beside them, wherever lines of memory begin."""

import numpy as np
import pytest

from autograd_core.kernels import building, nontemporal

TEXT = """
import numpy as np
streamed_here = streamed({0!r})

def copy(x, y):
    streamed_here(x.ctypes.data, y.ctypes.data, x.size)
    drained()
"""


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    return request.param


def aligned(size, dtype):
    """Return zeros that begin at a line of memory."""
    raw = np.zeros(size * np.dtype(dtype).itemsize + 64, np.uint8)
    begin = -raw.ctypes.data % 64
    return raw[begin : begin + size * np.dtype(dtype).itemsize].view(dtype)


@pytest.mark.parametrize("first", [0, 1, 2, 7, 8, 15])
def test_every_number_is_copied_and_none_beside_them(dtype, first):
    copy = building.build("copy", TEXT.format(dtype), f"({dtype}[::1], {dtype}[::1])")
    for count in [*range(70), 1000]:
        source = np.arange(1, count + 4, dtype=dtype)[3:]
        target = aligned(first + count + 20, dtype)
        copy(target[first : first + count], source)
        np.testing.assert_array_equal(target[first : first + count], source)
        assert not target[:first].any() and not target[first + count :].any()


def test_plainly_it_is_a_copy(dtype):
    source, target = np.arange(5, dtype=dtype), np.zeros(5, dtype)
    nontemporal.plain(dtype)(target[1:].ctypes.data, source.ctypes.data, 3)
    assert target.tolist() == [0, 0, 1, 2, 0]


def test_lines_bypass_the_caches(dtype, monkeypatch, tmp_path):
    monkeypatch.setenv("AUTOGRAD_CORE_CACHE", str(tmp_path))
    name = f"past_{dtype}"
    text = TEXT.format(dtype).replace("def copy", f"def {name}")
    copy = building.build(name, text, f"({dtype}[::1], {dtype}[::1])")
    (result,) = (found for entry, found in building._results.items() if entry is copy)
    code = result.library.get_llvm_str()
    stores = [line for line in code.splitlines() if "!nontemporal" in line and "store" in line]
    assert stores and all("align 64" in store for store in stores)
    assert code.count("fence seq_cst") == 1
