//! Where results go: the image itself, archives, directories.

mod archive;
mod assemble;
mod destination;
mod local;

pub use archive::{Outgoing, docker_archive, oci, options, with_export};
pub use assemble::{Assembled, Assembly};
pub use destination::write_bytes;
pub use local::{local, tar, tars};
