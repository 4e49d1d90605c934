//! Layers that several models share, the optimiser, and repeatable randomness on tensors.
//!
//! A layer is a file: what it computes, its weights, how they start, and `forward` with the shape on each step.
//! A weight is Burn's `Param`, read through `val()`, which applies an adapter where one is attached.
//!
//! ```
//! use rebus_nn::{Init, Linear, burn::tensor::{Device, Tensor}};
//! let mut init = Init::new(&Device::flex(), 7);
//! let linear = Linear::new(8, 3, &mut init);
//! assert_eq!(linear.forward(Tensor::<2>::zeros([5, 8], &Device::flex())).dims(), [5, 3]);
//! ```
//!
//! Knows nothing of files or of training loops.

pub mod attention;
pub mod batch_norm;
pub mod conv;
pub mod device;
pub mod embedding;
pub mod feed_forward;
pub mod graph;
pub mod init;
pub mod kernels;
pub mod linear;
pub mod named;
pub mod norm;
pub mod optim;
pub mod precision;
pub mod random;
pub mod resample;
pub mod residual;
pub mod time;
pub mod transformer_block;

pub use attention::{Attention, Joint};
pub use batch_norm::{BatchNorm, Statistics};
pub use burn;
pub use conv::Conv2d;
pub use embedding::Embedding;
pub use feed_forward::FeedForward;
pub use init::Init;
pub use linear::Linear;
pub use norm::{GroupNorm, LayerNorm, RmsNorm};
pub use precision::ComputePrecision;
pub use residual::Residual;
pub use time::TimeEmbedding;
pub use transformer_block::TransformerBlock;
