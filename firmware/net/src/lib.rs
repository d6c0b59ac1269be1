//! The drivers that both daemons need. Each moves bytes between the operating system and a machine, and decides nothing.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod build_info;
pub mod clock;
pub mod exchange;
pub mod fetch;
pub mod flows;
pub mod lease;
pub mod log;
pub mod pnp;
pub mod resolve;
pub mod rtp_sockets;
pub mod seal;
pub mod serve;
pub mod store;
mod store_thread;
pub mod supervisor;
pub mod tls;
