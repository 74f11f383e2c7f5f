//! Pairs of names with their verdicts, and what holds for any text.

mod pairs;
mod properties;
