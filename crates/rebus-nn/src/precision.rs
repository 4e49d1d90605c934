//! In which numbers a network that no longer learns multiplies.

use burn::{
    module::{Module, ModuleMapper, Param},
    tensor::{DType, Tensor},
};

use crate::kernels;

/// In which numbers products are multiplied; sums have 32 bits in either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ComputePrecision {
    /// 32 bits.
    #[default]
    Float32,
    /// bf16, the upper half of 32 bits: less exact, twice as fast and half the memory where the processor has AVX512-BF16.
    /// Elsewhere 32 bits serve.
    Bfloat16,
}

impl ComputePrecision {
    /// A network with the weights of its linear layers and convolutions in this precision, as far as its device multiplies
    /// in it.
    pub fn apply<M: Module>(self, network: M) -> M {
        let takes = network.devices().iter().all(kernels::multiplies_bf16);
        if self == Self::Bfloat16 && takes { network.map(&mut Halve { inside: vec![] }) } else { network }
    }
}

/// Which kinds of module the walk stands in.
struct Halve {
    inside: Vec<bool>,
}

impl ModuleMapper for Halve {
    fn enter_module(&mut self, name: &str, container: &str) {
        let layer = ["Struct:Linear", "Struct:Conv2d"].contains(&container);
        self.inside.push(layer && name == "weight");
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.inside.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match self.inside.last() {
            Some(true) => param.map(|weight| weight.cast(DType::BF16)),
            _ => param,
        }
    }
}
