"""Numerical loops: arrays in, arrays out, no differentiation.

This room knows NumPy and Numba and nothing of tapes. `jit` is the one module that loads Numba
(lazily, at the first compiled kernel); `vector_math` holds elementary functions in a form that
LLVM vectorizes; `activations` builds the value and derivative loops of the activations on them.
`blas` is the seam to the BLAS, `products` writes the matrix products of compiled programs,
and `sparse` says which of them leave out zeros;
`threads` runs loops over large arrays on several processors.
"""
