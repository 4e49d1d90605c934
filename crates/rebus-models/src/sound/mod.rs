//! A small network that hears: the third tower of an encoder.

mod config;
mod network;

pub use config::SoundTowerConfig;
pub use network::{Heard, SoundTower};
