//! A small text encoder, trained from scratch together with what it conditions.

mod config;
mod network;

pub use config::TextConfig;
pub use network::TextEncoder;
