//! A tree as a plain directory, for where nothing can be mounted: its files copied, and what a command changed in the copy.
//!
//! The files are copies, never further names of a layer's files: whoever can write in the directory could write through
//! such a name into a committed layer. Each name gets a file of its own, since an overlay separates the names of a
//! file as well, as soon as one of them is written to. That each has one name is looked at before any command runs.
//!
//! What a command changed is found by one walk of stats beside a [`Record`] of what the directory was. It is moved out into
//! the form of an overlay's upper directory, of which [`diff`](crate::diff) says what is a change: so a layer is the same
//! whichever form the command wrote to.

mod bring;
mod copy;
mod groups;
mod record;
mod take;

pub use bring::{Stale, bring_up};
pub use copy::{copy_for_command, copy_tree};
pub use record::Record;
pub use take::{Times, take_changes};
