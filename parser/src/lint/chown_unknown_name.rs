//! `--chown` with a name that the image does not know.

use crate::lint::Definition;

pub(super) const DEFINITION: Definition = Definition {
    docs: "The user or group of `--chown` is not in the `/etc/passwd` or `/etc/group` of the image. The build itself reports it.",
    bad: "FROM scratch\nCOPY --chown=nobody a /\n",
    good: "FROM scratch\nCOPY --chown=65534 a /\n",
    default: true,
    buildkit: false,
    check: None,
};

