//! A small text encoder, trained from scratch together with what it conditions.

mod conditioner;
mod config;
mod network;

pub use conditioner::TextConditioner;
pub use config::TextConfig;
pub use network::TextEncoder;
