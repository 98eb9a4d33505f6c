//! Dockerfile text to typed instructions with spans: no files, no environment.
