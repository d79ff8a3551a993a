"""The constants of the powers, logarithms, angles and hyperbolic functions, for both formats.

As in `formats`, of which they are a part: pairs of a float32 and a float64 value, constants with a
low half that carry twice the digits, minimax fits made with sixty digits.
"""

from __future__ import annotations

import functools
from fractions import Fraction

import numpy as np

__all__ = ["CONSTANTS", "INTEGERS", "POLYNOMIALS", "TABLES", "turns"]

INTEGERS: dict[str, tuple[int, int]] = {
    # Of `turns`: one entry serves 2**STRIDE_BITS binary orders of magnitude.
    "STRIDE_BITS": (4, 5),
}
CONSTANTS: dict[str, tuple[float, float]] = {
    "LARGEST": (3.4028234663852886e38, 1.7976931348623157e308),
    "LN2": (0.6931472, 0.6931471805599453),
    "LN2_REST": (-1.9046542e-09, 2.3190468138462996e-17),
    "LOG2E_REST": (1.925963e-08, 2.0355273740931033e-17),
    "LOG10E": (0.4342945, 0.4342944819032518),
    "LOG10E_REST": (-1.010305e-08, 1.098319650216765e-17),
    # The high half ends in zeros, so that its product with an exponent is exact.
    "LOG10_2_HIGH": (0.301025390625, 0.3010299956640665),
    "LOG10_2_LOW": (4.605039e-06, -8.532344317057107e-14),
    "TWO_THIRDS": (0.6666667, 0.6666666666666666),
    "TWO_THIRDS_LOW": (-1.9868216e-08, 3.700743415417188e-17),
    # Beyond these 2ˣ is 0 or infinite.
    "LOWEST_POWER": (-160.0, -1100.0),
    "HIGHEST_POWER": (128.0, 1024.0),
    # Squares of what is between these can be added without care.
    "TINY": (2.0**-50, 2.0**-450),
    "HUGE": (2.0**50, 2.0**450),
    "UP": (2.0**100, 2.0**600),
    "DOWN": (2.0**-100, 2.0**-600),
    "HIGHEST_HYPERBOLIC": (90.0, 711.0),
    "THIRD": (0.33333334, 0.3333333333333333),
    "CBRT_2": (1.2599211, 1.2599210498948732),
    "CBRT_HALF": (0.7937005, 0.7937005259840998),
    # x times TWO_OVER_PI, rounded, is right as long as it has a few bits to spare.
    "TWO_OVER_PI": (0.63661975, 0.6366197723675814),
    "HALF_PI": (1.5707964, 1.5707963267948966),
    "HALF_PI_LOW": (-4.371139e-08, 6.123233995736766e-17),
    "HALF_PI_LOWEST": (-1.7151245e-15, -1.4973849048591698e-33),
    "QUARTER_PI": (0.7853982, 0.7853981633974483),
    "QUARTER_PI_LOW": (-2.1855694e-08, 3.061616997868383e-17),
    "PI": (3.1415927, 3.141592653589793),
    "PI_REST": (-8.742278e-08, 1.2246467991473532e-16),
    "FAR": (2.0**20, 2.0**45),
}
# SIN, ARCSIN, ARCTAN and SINH: (f(x) - x) / x³ in x² up to (π/4)², 1/4, tan²(π/8) and 1.
# COS: (cos x - 1 + x²/2) / x⁴. CBRT: of 1 + x between sqrt(1/2) and sqrt(2), a beginning.
# LOG: (2 atanh(s)/s - 2 - 2 s²/3) / s⁴ in s² up to 0.0295.
POLYNOMIALS: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "SIN": (
        (-0.16666655, 0.008332178, -0.00019517292),
        (
            -0.16666666666666632,
            0.00833333333332242,
            -0.00019841269829811911,
            2.755731369330102e-06,
            -2.5050758331745135e-08,
            1.5896808365443716e-10,
        ),
    ),
    "COS": (
        (0.041666646, -0.0013887368, 2.4438476e-05),
        (
            0.0416666666666666,
            -0.0013888888888874133,
            2.4801587289488395e-05,
            -2.7557314354187497e-07,
            2.087572353345975e-09,
            -1.135966167320952e-11,
        ),
    ),
    "ARCSIN": (
        (0.16666754, 0.074952416, 0.045477092, 0.024147617, 0.042218573),
        (
            0.16666666666665383,
            0.07500000000342848,
            0.04464285682360701,
            0.03038195932705514,
            0.022371753610123973,
            0.017359769935780655,
            0.013884609052549563,
            0.012173214879472124,
            0.006511114164060811,
            0.01957323345448711,
            -0.016293073723274168,
            0.031958314127416045,
        ),
    ),
    "ARCTAN": (
        (-0.33333316, 0.1999849, -0.14243838, 0.10595919, -0.06083239),
        (
            -0.333333333333332,
            0.1999999999995404,
            -0.1428571428024424,
            0.11111110785917923,
            -0.09090897829967025,
            0.07692061519221391,
            -0.06663119015090993,
            0.05847998747672359,
            -0.050397987419392956,
            0.03807710819296282,
            -0.0179209240689147,
        ),
    ),
    "SINH": (
        (0.16666667, 0.0083333505, 0.00019836066, 2.8174384e-06),
        (
            0.16666666666666669,
            0.008333333333333139,
            0.00019841269841437692,
            2.7557319155331865e-06,
            2.5052123399476912e-08,
            1.6057240263075854e-10,
            7.759314707870601e-13,
        ),
    ),
    "CBRT": (
        (0.99989074, 0.33870813, -0.1074768),
        (
            0.9999990118154574,
            0.3333203117146919,
            -0.11096404556002801,
            0.062287616674739525,
            -0.04478272925753294,
            0.02695577412081844,
        ),
    ),
    "LOG": (
        (0.40000153, 0.28547138, 0.23418508),
        (
            0.3999999999999998,
            0.2857142857144511,
            0.2222222221753654,
            0.18181818870312363,
            0.15384556870786234,
            0.13336317437865378,
            0.11674817962040071,
            0.11989018714225265,
        ),
    ),
}

# Entry k of the four together is 2**(k stride) 2/π modulo 4, rounded to four words; see `turns`.
TABLES = ("TURNS_0", "TURNS_1", "TURNS_2", "TURNS_3")


@functools.cache
def turns(word: int, which: int) -> tuple[float, ...]:
    """Return a table of `trigonometry.reduce_far`: word number 0 to 3, for float32 or float64."""
    kind, stride, count = ((np.float32, 16, 7), (np.float64, 32, 31))[which]
    return tuple(_word(_two_over_pi() * 2 ** (k * stride) % 4, word, kind) for k in range(count))


def _word(number: Fraction, word: int, kind: type[np.floating]) -> float:
    for _ in range(word):
        number -= Fraction(float(kind(float(number))))
    return float(kind(float(number)))


@functools.cache
def _two_over_pi() -> Fraction:
    """2/π to 1300 binary places, by Machin's formula."""
    one = 1 << 1400
    quarter = 4 * _arctan_of_inverse(5, one) - _arctan_of_inverse(239, one)
    return Fraction(one, 2 * quarter)


def _arctan_of_inverse(n: int, one: int) -> int:
    total, term, k = 0, one // n, 1
    while term:
        total += term // k if k % 4 == 1 else -(term // k)
        term, k = term // (n * n), k + 2
    return total
