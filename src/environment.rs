//! The variables of the process: read here, handed to the library as data.

use rbuild_build::request::Environment;

/// All variables of the process.
#[must_use]
pub fn environment() -> Environment {
    std::env::vars_os().collect()
}
