//! Stories: a whole office in virtual time. Each reads like the manual.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
