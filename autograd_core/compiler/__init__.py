"""From calls of a function to machine code.

The files, in the order in which things happen:

* A call comes in: `compiled` decides what runs it, `kind` says what was learned of calls like it,
  `environment` what the function sees besides its arguments, `quick` is the short way in.
* It is recorded: `record` listens, `steps` are what it hears, `floats` stand for Python floats,
  `recorded` is the call as a whole.
* Two recordings are compared (`compare`) and become a `program`, made in the `background` or at
  once. `delay` puts what is assigned behind the checks, and `simplify` leaves steps out
  (`rewriting`, `folding`, `algebra`, `repeats`).
* `partition` says which steps run together as machine code, `emit` writes the Python function
  around them. A segment is made in `native`: `prepare` and `slopes` say what machine code does
  otherwise than the host, `fuse` groups steps, `loops` writes elementwise ones
  (`scalars`, `integers`), `lowering` all others, into a `body` (`layout`). Lines that repeat
  become loops (`reroll`), and what these leave over functions (`leftovers`); `memory` is planned,
  that of loops in `regions`, and `positions` are filled in; `assembly` makes functions of it all.
  A run has an `arena`, its memory, and `running`, what the text calls.
* `batches` does many steps in one call. `report` and `postmortem` are for the user.
"""
