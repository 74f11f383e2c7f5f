//! The scenarios live in `it/`.
