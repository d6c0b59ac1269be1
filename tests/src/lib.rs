//! The harness of the suites: a whole office in virtual time ([`World`]), and what listens to it.

// A harness speaks to a person who reads a failure: it may panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod action;
mod capture;
pub mod carddav;
pub mod chance;
pub mod node;
pub mod world;

pub use action::Action;
pub use world::World;
