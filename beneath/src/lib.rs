//! File access that cannot leave a root directory.
