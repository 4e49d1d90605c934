//! The one training loop.
