//! In which numbers a network multiplies.

use burn::{
    module::{Module, Param},
    tensor::{DType, Tensor},
};
use serde::{Deserialize, Serialize};

use crate::{
    kernels,
    named::{Change, Place, change},
};

/// In which numbers products are multiplied; sums have 32 bits in either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum ComputePrecision {
    /// 32 bits.
    #[default]
    #[serde(rename = "f32")]
    Float32,
    /// bf16, the upper half of 32 bits: less exact, twice as fast and half the memory where the processor has AVX512-BF16.
    /// A network that draws multiplies in 32 bits elsewhere; one that learns, always in numbers of this precision.
    #[serde(rename = "bf16")]
    Bfloat16,
}

impl ComputePrecision {
    /// A weight as a layer multiplies by it; the gradient goes back to the weight of 32 bits.
    pub(crate) fn of<const D: usize>(self, weight: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Float32 => weight,
            Self::Bfloat16 => weight.cast(DType::BF16),
        }
    }

    /// A network with the weights of its linear layers and convolutions in this precision, as far as its device multiplies
    /// in it.
    pub fn apply<M: Module>(self, network: M) -> M {
        let takes = network.devices().iter().all(kernels::multiplies_bf16);
        if self == Self::Bfloat16 && takes { change(network, &mut Halve) } else { network }
    }
}

/// Puts a weight in bf16 where its layer multiplies by it.
struct Halve;

impl Change for Halve {
    fn change<const D: usize>(&mut self, place: Place<'_>, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let multiplies = ["Struct:Linear", "Struct:Conv2d"].contains(&place.holder);
        match multiplies && place.name.ends_with("weight") {
            true => param.map(|weight| weight.cast(DType::BF16)),
            false => param,
        }
    }
}
