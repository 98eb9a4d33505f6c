//! Randomness of the system, for ids and names.

use crate::error::Failure;
use rustix::rand::{GetRandomFlags, getrandom};

/// So many random bytes.
///
/// # Errors
/// The kernel gives none.
pub fn bytes<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    let mut filled = 0;
    while filled < N {
        filled += getrandom(&mut bytes[filled..], GetRandomFlags::empty())
            .map_err(|errno| Failure::host(format!("asking for random bytes: {errno}")))?;
    }
    Ok(bytes)
}
