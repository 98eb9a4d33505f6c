# Every command of the project. `just` is a convenience: each recipe is a script or a cargo command that works alone.

# What there is.
default:
    @just --list --unsorted

# Build the program, optimised and static.
build:
    cargo build --release --locked --bin rbuild

# From a fresh checkout to a running image: the first command of the README.
quick-start:
    scripts/quick-start

# Everything that must hold, as this user and (from root) as an ordinary one: the second command of the README.
test *args:
    scripts/test {{ args }}

# The fast part of it: the unit tests of one crate, for example `just unit parser`.
unit folder *args:
    cargo test --locked --manifest-path {{ folder }}/Cargo.toml {{ args }}

# End-to-end tests whose names contain something, without lints and without a second user.
it *names:
    scripts/test --quick {{ names }}

# The long form of what tries to break it: fuzzing, failing calls, limits, kills. Prints figures.
torture *args:
    scripts/torture {{ args }}

# Format, lints, documentation and dependencies, without the tests.
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items --locked
    scripts/check-dependencies

# Format the source.
fmt:
    cargo fmt --all

# The documentation of all crates.
docs:
    cargo doc --workspace --no-deps --document-private-items --locked --open

# Whole-process benchmarks beside buildah, podman and the bare floor, as one table of ratios.
bench *args:
    scripts/bench {{ args }}

# A base image without a registry: busybox, debian or deep.
base name:
    scripts/base-image {{ name }}

# What the continuous integration runs.
ci:
    .ci/run
