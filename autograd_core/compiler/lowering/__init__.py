"""How each operation becomes lines of a native function: one file for each family."""

from . import contractions, decompositions, losses, products, reduce, systems, views  # noqa: F401  they enter what they lower
from .registry import LOWERINGS, Lowering, lowering

__all__ = ["LOWERINGS", "Lowering", "lowering"]
