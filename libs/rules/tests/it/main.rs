//! The law read, found faulty, decided and explained, on a tiny set of programmes.

mod deciding;
mod explaining;
mod flaws;
mod properties;
mod tiny_law;
