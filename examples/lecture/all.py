"""Draw all figures of the lecture.

    python examples/lecture/all.py                 into out/lecture, as SVG
    python examples/lecture/all.py --format png    or pdf

Each script of this directory draws one figure and can be run by itself, with the same options.
"""

from __future__ import annotations

import activations
import backpropagation
import convergence
import early_stopping
import gradient_flow
import label_smoothing
import momentum
import optimizers
import polynomials
import schedules
import style
import unit_balls

SCRIPTS = (
    backpropagation,
    activations,
    gradient_flow,
    convergence,
    momentum,
    optimizers,
    schedules,
    early_stopping,
    polynomials,
    unit_balls,
    label_smoothing,
)

if __name__ == "__main__":
    args = style.arguments()
    for script in SCRIPTS:
        style.save(script.draw(args.quick), script.__name__, args)
