//! Blobs, layers, snapshots, images and cache records on disk.
