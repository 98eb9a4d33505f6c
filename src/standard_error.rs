//! [`StandardError`]: what is told. Once signals are watched, nobody who does not read keeps the program from ending.

use crate::interrupt;
use rbuild_build::outlet::Outlet;
use std::io::{self, Write};

/// Standard error, unbuffered.
#[derive(Default)]
pub struct StandardError {
    outlet: Option<Outlet<io::Stderr>>,
}

impl Write for StandardError {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // As long as a signal ends the process at once, there is nothing to do for that.
        if !interrupt::is_watched() {
            return io::stderr().write(bytes);
        }
        let outlet = self
            .outlet
            .get_or_insert_with(|| Outlet::new(io::stderr(), interrupt::requested));
        outlet.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
