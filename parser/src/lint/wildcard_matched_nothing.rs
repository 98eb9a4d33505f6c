//! A wildcard that matches nothing.

use crate::lint::Definition;

pub(super) const DEFINITION: Definition = Definition {
    docs: "A wildcard of `COPY` or `ADD` that matches no file copies nothing, and the build goes on. The build itself reports it.",
    bad: "FROM scratch\nCOPY *.nothing /\n",
    good: "FROM scratch\nCOPY *.txt /\n",
    default: true,
    buildkit: false,
    check: None,
};

