"""The exponential of a matrix in compiled code, and the coefficients of its approximation.

A quotient of two polynomials of degree 13 for a matrix divided by a power of two, then squared as
often (Higham 2005).
"""

from __future__ import annotations

__all__ = ["COEFFICIENTS", "EXPONENTIAL", "LARGEST", "ROOMS"]

COEFFICIENTS = (
    64764752532480000, 32382376266240000, 7771770303897600, 1187353796428800, 129060195264000,
    10559470521600, 670442572800, 33522128640, 1323241920, 40840800, 960960, 16380, 182, 1,
)  # fmt: skip
LARGEST = 5.37  # the norm up to which the quotient is exact to rounding

# exponential(n, a, room, pivots, memory) replaces an n x n matrix in float64, stored by columns;
# `room` is the address of as many such matrices. It returns what `dgesv` returns.
ROOMS = 6
EXPONENTIAL = f"""
PADE = np.array({[float(c) for c in COEFFICIENTS]})


@inline
def times(n, x, y, out):
    dgemm(False, False, n, n, n, 1.0, y, n, x, n, 0.0, out, n)


@inline
def halvings(a, n):
    norm = 0.0
    for j in range(n):
        total = 0.0
        for i in range(n):
            total += abs(a[j * n + i])
        if total > norm or total != total:
            norm = total
    norm /= {LARGEST}
    count = 0
    if norm < np.inf:
        while norm >= 1.0:
            norm *= 0.5
            count += 1
    return count


@inline
def low_terms(c, six, four, two, out, n):
    for i in range(n * n):
        out[i] += PADE[c + 6] * six[i] + PADE[c + 4] * four[i] + PADE[c + 2] * two[i]
    for i in range(n):
        out[i * n + i] += PADE[c]


@inline
def high_terms(c, six, four, two, out, n):
    for i in range(n * n):
        out[i] = PADE[c + 12] * six[i] + PADE[c + 10] * four[i] + PADE[c + 8] * two[i]


@apart
def exponential(n, a, room, pivots, memory):
    size = n * n
    two_, four_, six_ = room, room + 8 * size, room + 16 * size
    odd_, even_, part_ = room + 24 * size, room + 32 * size, room + 40 * size
    x, part = view(a, size, np.float64), view(part_, size, np.float64)
    two, four = view(two_, size, np.float64), view(four_, size, np.float64)
    six, odd = view(six_, size, np.float64), view(odd_, size, np.float64)
    even = view(even_, size, np.float64)
    squarings = halvings(x, n)
    scale = 1.0
    for _ in range(squarings):
        scale *= 0.5
    for i in range(size):
        x[i] *= scale
    times(n, a, a, two_)
    times(n, two_, two_, four_)
    times(n, four_, two_, six_)
    high_terms(1, six, four, two, odd, n)
    times(n, six_, odd_, part_)
    low_terms(1, six, four, two, part, n)
    times(n, a, part_, odd_)
    high_terms(0, six, four, two, part, n)
    times(n, six_, part_, even_)
    low_terms(0, six, four, two, even, n)
    for i in range(size):
        x[i] = even[i] + odd[i]
        even[i] -= odd[i]
    failure = dgesv(n, n, even_, n, pivots, a, n, memory)
    for _ in range(squarings):
        times(n, a, a, part_)
        for i in range(size):
            x[i] = part[i]
    return failure
"""
