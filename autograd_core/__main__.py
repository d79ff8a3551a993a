"""The command line: ``python -m autograd_core check module:function``."""

from __future__ import annotations

import argparse
import sys

from . import catalogue
from .checking import command as check

COMMANDS = {
    "check": (check, "compare a function's derivatives with numerical ones"),
    "docs": (catalogue, "write the page of all operations"),
}


def main(arguments: list[str] | None = None) -> int:
    """Run one of the commands and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m autograd_core")
    commands = parser.add_subparsers(required=True, metavar="command")
    for name, (module, summary) in COMMANDS.items():
        command = commands.add_parser(name, help=summary)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    chosen = parser.parse_args(arguments)
    return int(chosen.run(chosen))


if __name__ == "__main__":
    sys.exit(main())
