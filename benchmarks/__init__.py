"""Measurements: each module prints its table when run as `python -m benchmarks.NAME`.

Importing this package pins every thread pool to one thread, unless the environment says otherwise:
it has to happen before NumPy is loaded, and this is the first line that `-m` runs.
"""

import os

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMBA_NUM_THREADS",
)
for _name in THREAD_VARIABLES:
    os.environ.setdefault(_name, "1")
