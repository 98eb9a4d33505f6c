//! Extended attributes through descriptors.

use std::os::fd::AsFd;

use rustix::fs::XattrFlags;
use rustix::io::Errno;

use crate::dir::proc_path;
use crate::error::{Error, Result};

/// The names of the extended attributes of an open file or directory, sorted. A file system without them has none.
pub fn flistxattr(fd: impl AsFd) -> Result<Vec<Vec<u8>>> {
    let fd = fd.as_fd();
    // Nearly every file has none or few: the first call usually answers.
    let mut small = [0u8; 512];
    let list = match rustix::fs::flistxattr(fd, &mut small) {
        Ok(0) => return Ok(Vec::new()),
        Ok(len) => small[..len].to_vec(),
        Err(Errno::RANGE) => grow(|buffer| rustix::fs::flistxattr(fd, buffer)).map_err(fail)?,
        Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
        // An O_PATH descriptor.
        Err(Errno::BADF) => match grow(|buffer| rustix::fs::listxattr(proc_path(fd), buffer)) {
            Ok(list) => list,
            Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
            Err(e) => return Err(fail(e)),
        },
        Err(e) => return Err(fail(e)),
    };
    let mut names: Vec<Vec<u8>> = list
        .split(|&byte| byte == 0)
        .filter(|name| !name.is_empty())
        .map(<[u8]>::to_vec)
        .collect();
    names.sort_unstable();
    Ok(names)
}

/// The value of an extended attribute, `None` when it is not there.
pub fn fgetxattr(fd: impl AsFd, name: &[u8]) -> Result<Option<Vec<u8>>> {
    let fd = fd.as_fd();
    let mut small = [0u8; 256];
    let value = match rustix::fs::fgetxattr(fd, name, &mut small) {
        Ok(len) => Ok(small[..len].to_vec()),
        Err(Errno::RANGE) => grow(|buffer| rustix::fs::fgetxattr(fd, name, buffer)),
        Err(Errno::BADF) => grow(|buffer| rustix::fs::getxattr(proc_path(fd), name, buffer)),
        Err(e) => Err(e),
    };
    match value {
        Ok(value) => Ok(Some(value)),
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(None),
        Err(e) => Err(Error::new("read extended attribute", name, e)),
    }
}

/// Sets an extended attribute.
pub fn fsetxattr(fd: impl AsFd, name: &[u8], value: &[u8]) -> Result<()> {
    let fd = fd.as_fd();
    match rustix::fs::fsetxattr(fd, name, value, XattrFlags::empty()) {
        Err(Errno::BADF) => rustix::fs::setxattr(proc_path(fd), name, value, XattrFlags::empty()),
        other => other,
    }
    .map_err(|e| Error::new("set extended attribute", name, e))
}

/// Removes an extended attribute; a missing one is fine.
pub fn fremovexattr(fd: impl AsFd, name: &[u8]) -> Result<()> {
    match rustix::fs::fremovexattr(fd, name) {
        Ok(()) | Err(Errno::NODATA) => Ok(()),
        Err(e) => Err(Error::new("remove extended attribute", name, e)),
    }
}

fn fail(errno: Errno) -> Error {
    Error::new("list extended attributes", b"", errno)
}

/// Calls with growing buffers until the answer fits. 64 KiB is the kernel's limit for lists and values.
fn grow(call: impl Fn(&mut [u8]) -> rustix::io::Result<usize>) -> rustix::io::Result<Vec<u8>> {
    let mut buffer = vec![0; 4096];
    loop {
        match call(&mut buffer) {
            Ok(len) => {
                buffer.truncate(len);
                return Ok(buffer);
            }
            Err(Errno::RANGE) if buffer.len() < 64 * 1024 => buffer.resize(64 * 1024, 0),
            Err(e) => return Err(e),
        }
    }
}
