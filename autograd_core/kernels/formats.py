"""The constants of the two float formats.

The functions of `vector_math` and `slopes` are written once; what differs between float32 and
float64 is here: the widths of the fields, constants as a high and a low half (together they carry
twice the digits), and the coefficients of the approximations, which are minimax fits made with
sixty digits. `generate` writes them into the kernels.

Imported by name, a constant has its float64 value; so the functions also run as they stand.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from . import elementary_formats as elementary

__all__ = [
    "CONSTANTS",
    "FORMATS",
    "INTEGERS",
    "POLYNOMIALS",
    "TABLES",
    "constant",
    "polynomial",
    "table",
]

FORMATS = ("float32", "float64")

# name: (float32, float64)
INTEGERS: dict[str, tuple[int, int]] = {
    "MANTISSA": (23, 52),
    "BIAS": (127, 1023),
    # Powers of two are carried times SCALE, so that a subnormal result is rounded only once.
    "SCALE_BITS": (64, 128),
    "ROOT_HALF_BITS": (0x3F3504F3, 0x3FE6A09E667F3BCD),
}
CONSTANTS: dict[str, tuple[float, float]] = {
    "SCALE": (2.0**64, 2.0**128),
    "UNSCALE": (2.0**-64, 2.0**-128),
    "SCALE_EXPONENT": (64.0, 128.0),
    "SMALLEST_NORMAL": (2.0**-126, 2.0**-1022),
    # t + MAGIC - MAGIC rounds t to an integer, and t + MAGIC has it in its lowest bits.
    "MAGIC": (1.5 * 2.0**23, 1.5 * 2.0**52),
    # Beyond these eˣ, even times x, is 0 or infinite; the tails of erfc and the gelus are 0.
    "LOWEST": (-115.0, -760.0),
    "HIGHEST": (89.0, 710.0),
    "ERFC_LIMIT": (10.5, 28.0),
    "GELU_LIMIT": (15.0, 40.0),
    "GELU_TANH_LIMIT": (12.0, 24.0),
    "LOG2E": (1.442695, 1.4426950408889634),
    # The high half ends in zeros, so that its product with an exponent is exact.
    "LN2_HIGH": (0.693145751953125, 0.6931471803691238),
    "LN2_LOW": (1.4286068e-06, 1.9082149292705877e-10),
    "ROOT_2": (1.4142135, 1.4142135623730951),
    "ROOT_HALF_PI": (1.2533141, 1.2533141373155003),
    "ROOT_HALF_PI_LOW": (-1.4330102e-10, -9.164289990229583e-17),
    # The leading coefficients of MILLS and GELU_SLOPE.
    "MILLS_HIGH": (0.48100057, 0.48100057723268935),
    "MILLS_LOW": (4.6727737e-09, 9.758015879399848e-18),
    "GELU_SLOPE_HIGH": (0.4514355, 0.45143549526340543),
    "GELU_SLOPE_LOW": (-1.113965e-08, -2.0316565931872237e-17),
    # gelu'(-GELU_ROOT) = 0
    "GELU_ROOT_HIGH": (0.75179154, 0.7517915246935645),
    "GELU_ROOT_LOW": (-1.211445e-08, -1.4956759177009883e-17),
    # silu'(r) = 0 at r = SILU_ROOT; SILU_EXP = eʳ and SILU_INVERSE = e⁻ʳ.
    "SILU_ROOT_HIGH": (-1.2784646, -1.2784645427610737),
    "SILU_ROOT_LOW": (1.2979283e-08, -1.0946994183093437e-16),
    "SILU_EXP_HIGH": (0.27846456, 0.2784645427610738),
    "SILU_EXP_LOW": (-1.2979283e-08, -1.5523606315812798e-18),
    "SILU_INVERSE_HIGH": (3.5911214, 3.591121476668622),
    "SILU_INVERSE_LOW": (4.1503217e-08, -3.6148589599468234e-20),
    # mish'(r) = 0 at r = MISH_ROOT. With E = eʳ, a = |x - r| and y = e⁻ᵃ, `slopes.mish_slope` has,
    # on the right: 4/E², 4/E³; 1 + 4/E, 1 + 4/E + (4r + 6)/E²; 2/E, 2/E²;
    # and on the left: E, E²; E⁴/4, E³ + E⁴/4, E²(4r + 6)/4 + E³ + E⁴/4; E²/2.
    "MISH_ROOT_HIGH": (-1.1924312, -1.1924312145154952),
    "MISH_ROOT_LOW": (-3.0439375e-09, -4.8484829848031044e-17),
    "MISH_LINE": (43.430275, 43.4302755036021),
    "MISH_LINE_1": (143.10634, 143.10634206121128),
    "MISH_RIGHT_1": (14.18033, 14.180330117808445),
    "MISH_RIGHT_2": (27.538128, 27.538127207708783),
    "MISH_RIGHT_Q1": (6.590165, 6.590165058904223),
    "MISH_RIGHT_Q2": (21.715137, 21.71513775180105),
    "MISH_EXP": (0.30348253, 0.3034825352815289),
    "MISH_EXP_2": (0.09210165, 0.09210164922090446),
    "MISH_LEFT_0": (0.058399513, 0.058399512848466235),
    "MISH_LEFT_1": (0.03007192, 0.030071920456472768),
    "MISH_LEFT_2": (0.0021206785, 0.0021206784473026324),
    "MISH_LEFT_Q2": (0.046050824, 0.04605082461045223),
    "SELU_SCALE": (1.050701, 1.0507009873554805),
    "SELU_LEFT": (1.7580993175506592, 1.7580993408473768),
    "SELU_LEFT_LOW": (2.3296717444054593e-08, 1.41535193800845e-17),
    # gelu_tanh(x) = x sigmoid(u) with u = LINEAR x + CUBIC x³; its slope is zero at r. The chords
    # (u(x) - u(r)) / (x - r) = CHORD + CUBIC (x + r/2)² and (x u' - r u'(r)) / (x - r) =
    # SLOPE_CHORD + 3 CUBIC (x + r/2)² follow from x² + x r + r² = (x + r/2)² + 3r²/4.
    # (The high halves end in zeros, which makes `fast_sum` exact however large the other term.)
    "LINEAR_HIGH": (1.5957679748535156, 1.5957691216057128),
    "LINEAR_LOW": (1.1467522e-06, 1.7885919910836427e-14),
    "CUBIC_HIGH": (0.071354814, 0.07135481627260025),
    "CUBIC_LOW": (2.3988325e-09, -6.175149918155315e-19),
    "CHORD_HIGH": (1.626068115234375, 1.6260698475629738),
    "CHORD_LOW": (1.7323287e-06, 5.779436714421313e-15),
    "SLOPE_CHORD": (1.6866713, 1.6866712994774773),
    "GELU_TANH_ROOT_HIGH": (-0.75246143, -0.7524614220710163),
    "GELU_TANH_ROOT_LOW": (1.1339628e-08, 3.635560509207687e-17),
    "GELU_TANH_EXP_HIGH": (0.2919552, 0.29195521191476714),
    "GELU_TANH_EXP_LOW": (9.0968504e-09, -8.582607951729513e-18),
    "GELU_TANH_INVERSE_HIGH": (3.4251828, 3.4251829019991535),
    "GELU_TANH_INVERSE_LOW": (8.2632695e-08, 1.979101161979668e-16),
}
# EXP: (eʳ - 1 - r) / r² on |r| <= ln(2)/2, and GROWTH with one term less.
# ATANH: (2 atanh(s)/s - 2) / s² in s² up to 1/9.
# ERF: erf(x)/x, and TANHSHRINK: (x - tanh x) / x³, in x² up to 1. MILLS, GELU_SLOPE: see
# `vector_math.normal_tail` and `slopes.gelu_slope`; without their leading coefficients.
POLYNOMIALS: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "EXP": (
        (
            0.5,
            0.16666667,
            0.041666467,
            0.0083333105,
            0.001393365,
            0.00019890991,
        ),
        (
            0.5,
            0.1666666666666667,
            0.04166666666666667,
            0.008333333333326136,
            0.0013888888888883748,
            0.00019841269874820627,
            2.4801587325547743e-05,
            2.7557255400206422e-06,
            2.75572736431103e-07,
            2.5105217004720745e-08,
            2.0914686968086876e-09,
        ),
    ),
    "GROWTH": (
        (0.49999994, 0.16666521, 0.04166839, 0.008368723, 0.0013814534),
        (
            0.5000000000000011,
            0.16666666666666413,
            0.04166666666653006,
            0.008333333333494435,
            0.001388888894365515,
            0.0001984126950673764,
            2.480149307475926e-05,
            2.755758617045304e-06,
            2.7630256438383503e-07,
            2.50001399413925e-08,
        ),
    ),
    "ATANH": (
        (
            0.6666667,
            0.39999706,
            0.28592357,
            0.21706575,
            0.2322433,
        ),
        (
            0.6666666666666666,
            0.40000000000014585,
            0.2857142856710876,
            0.22222222717427864,
            0.18181789436132859,
            0.15385570064958623,
            0.13314144209654935,
            0.12001072809590713,
            0.08800738486144674,
            0.1616404561194353,
        ),
    ),
    "ERF": (
        (
            1.1283791,
            -0.37612626,
            0.11283594,
            -0.026854211,
            0.0051890872,
            -0.00080168643,
            7.875875e-05,
        ),
        (
            1.1283791670955126,
            -0.37612638903183543,
            0.11283791670945006,
            -0.02686617064323777,
            0.0052239776071164225,
            -0.0008548325975389692,
            0.00012055294904839707,
            -1.492473690741966e-05,
            1.6447424703317362e-06,
            -1.6208483801871705e-07,
            1.3720064546777686e-08,
            -7.795898827002142e-10,
        ),
    ),
    "MILLS": (
        (
            -0.1278921,
            0.060432266,
            -0.010486627,
            -0.014279312,
            0.018605446,
            -0.012886094,
            0.005923698,
            -0.0016469798,
            1.623727e-05,
            0.00020325769,
        ),
        (
            -0.12789210868710282,
            0.06043223937810088,
            -0.010486677206677342,
            -0.014278605686475484,
            0.01860589124080756,
            -0.012892774128912739,
            0.005919405756520089,
            -0.0016204570324075476,
            4.180586305864803e-05,
            0.00016702697595948705,
            -5.336428629502613e-05,
            -8.212870311881817e-06,
            8.73881712098592e-06,
            -2.415188887812236e-07,
            -1.2474003289731234e-06,
            1.474717435672631e-07,
            1.8870828143817762e-07,
            -2.8782487786489718e-08,
            -3.173969993867374e-08,
            3.5048233185972868e-09,
            5.489599966198147e-09,
            1.3393951506970177e-10,
            -6.84982912188681e-10,
            -1.4972011314645283e-10,
        ),
    ),
    "TANHSHRINK": (
        (
            0.3333333,
            -0.13333128,
            0.053934827,
            -0.02166028,
            0.008219234,
            -0.0025107341,
            0.00042078635,
        ),
        (
            0.3333333333333333,
            -0.13333333333333092,
            0.05396825396804674,
            -0.021869488529139666,
            0.00886323540474017,
            -0.003592126680859629,
            0.0014558247010901383,
            -0.0005899793317774305,
            0.00023895716069582672,
            -9.64630045245541e-05,
            3.838995065121829e-05,
            -1.460650117919972e-05,
            4.988037782876494e-06,
            -1.3793192970260093e-06,
            2.633484404882726e-07,
            -2.516043726601646e-08,
        ),
    ),
    "GELU_SLOPE": (
        (
            -0.08979658,
            0.060487818,
            -0.03553517,
            0.017807772,
            -0.0073336074,
            0.002302823,
            -0.0004440484,
            -1.9292502e-05,
            4.6026307e-05,
        ),
        (
            -0.08979658026980383,
            0.06048781355387044,
            -0.0355351214691459,
            0.017807831556908023,
            -0.007334310929260492,
            0.002302183723119062,
            -0.0004405306218493945,
            -1.5195770122775173e-05,
            4.064697183924585e-05,
            -9.201187705041635e-06,
            -1.9927329667925348e-06,
            1.3602380839434616e-06,
            2.1397580196041626e-08,
            -1.6895607192922674e-07,
            1.2473744509404217e-08,
            2.2089110000934528e-08,
            -2.44700864097988e-09,
            -3.118860931309795e-09,
            2.6702413158181244e-10,
            4.0222964501482213e-10,
            -4.899827850575025e-12,
            -2.727838084693572e-11,
        ),
    ),
}

INTEGERS |= elementary.INTEGERS
CONSTANTS |= elementary.CONSTANTS
POLYNOMIALS |= elementary.POLYNOMIALS
TABLES = elementary.TABLES


def constant(name: str, which: int) -> Any:
    """Return a constant as a NumPy scalar: of float32 for 0, of float64 for 1."""
    if name in INTEGERS:
        return (np.int32, np.int64)[which](INTEGERS[name][which])
    return (np.float32, np.float64)[which](CONSTANTS[name][which])


def table(name: str, which: int) -> tuple[float, ...]:
    """Return the entries of a table, floats of the format."""
    return elementary.turns(TABLES.index(name), which)


def polynomial(x: float, coefficients: tuple[float, ...]) -> float:
    """Evaluate a polynomial, lowest coefficient first; kernels have Horner's rule in its place."""
    return math.fsum(c * x**k for k, c in enumerate(coefficients))


def __getattr__(name: str) -> Any:
    if name in ("F", "I"):
        return {"F": np.float64, "I": np.int64}[name]
    if name in POLYNOMIALS:
        return POLYNOMIALS[name][1]
    if name in CONSTANTS or name in INTEGERS:
        return constant(name, 1)
    if name in TABLES:
        return np.array(table(name, 1))
    raise AttributeError(name)
