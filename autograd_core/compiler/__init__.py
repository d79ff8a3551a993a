"""From recorded calls to a program, in this order: `record`, `compare`, `program`, `compiled`."""
