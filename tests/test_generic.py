"""Texts for arrays of any size: numbers that vary are read, all others stand as they are."""

import numpy as np

from autograd_core.compiler.generic import announce, filled

TEXT = """
LIMIT = 7

@inline
def helper(x, n):
    return x[{fixed}] * n

@inline
def part0(work, x0):
    for i0 in range({n}):
        work[{twice} + i0 * 3] = x0[i0] * F({inverse}) + v12_e3[{n}]
    return int(0)

def enter0(x0, start):
    table = view(start, 3, object)
    if x0.shape[0] != {n}:
        return -1
    return part0(view(table[0], {twice}, np.float32), x0)
"""


def text(n, fixed=5):
    return TEXT.format(n=n, twice=2 * n, inverse=1 / n, fixed=fixed)


def run(filled_text, n):
    """Run a text as Python, with a table whose entries are arrays; return what it writes."""
    work, x = np.zeros(8 * n + 8), np.arange(float(n))
    scope = {"inline": lambda f: f, "F": float, "np": np, "v12_e3": np.zeros(99)}
    scope["view"] = lambda array, size, dtype: array
    exec(filled_text.text, scope)
    table = np.empty(3, object)
    table[:] = [work, filled_text.wholes, filled_text.reals]
    assert scope["enter0"](x, table) == 0
    assert scope["enter0"](x[1:], table) == -1
    return work


def test_the_second_text_is_for_all_sizes():
    sizes = (4, 8, 10, 5)
    announce(text(sizes[0]))
    found = [filled(text(n), 1) for n in sizes[1:]]
    assert len({f.text for f in found}) == 1
    assert "range(whole0)" in found[0].text and "F(real0)" in found[0].text
    assert "LIMIT = 7" in found[0].text and "x[5] * n" in found[0].text
    for n, f in zip(sizes[1:], found, strict=True):
        plain = filled(text(n, fixed=99 + n), 1)  # nothing like it is known: as it stands
        assert plain.text == text(n, fixed=99 + n) and not len(plain.wholes)
        np.testing.assert_array_equal(run(f, n), run(plain, n))


def test_numbers_that_part_later_get_names_of_their_own():
    def two(n, other):
        return f"def part0(x):\n    return x[{n}:{other}]\n"

    announce(two(1, 7))
    assert "x[whole0:7]" in filled(two(2, 7), 0).text
    third = filled(two(3, 4), 0)
    assert "x[whole0:whole1]" in third.text and third.wholes.tolist() == [3, 4]
    again = filled(two(2, 7), 0)
    assert again.text == third.text and again.wholes.tolist() == [2, 7]


def test_whole_numbers_and_others_do_not_stand_for_one_another():
    announce("def part0(x):\n    return x * F(2)\n")
    assert "F(2.5)" in filled("def part0(x):\n    return x * F(2.5)\n", 0).text
