//! Pull from and push to OCI registries.
