//! A kernel as an operation of Burn with its own gradient: the one place that knows how Burn is extended.
//!
//! A kernel is a formula on up to three tensors of 32-bit numbers on the processor. It keeps nothing but its inputs for
//! the way back, so that its gradient costs no memory, and works out again what is cheap to work out.

use std::{fmt::Debug, sync::Arc};

use burn::{
    backend::{
        Autodiff, AutodiffBackend, Backend, Dispatch, Flex,
        autodiff::{
            checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
            grads::Gradients,
            ops::{Backward, Ops, OpsKind},
        },
        backend_extension,
        flex::FlexTensor,
        tensor::FloatTensor,
    },
    tensor::Tensor,
};

/// An operation on `N` tensors and its gradient. The tensors that it is given stand in a row.
pub(super) trait Kernel<const N: usize>: Debug + Send + Sync + 'static {
    fn forward(&self, inputs: [&FlexTensor; N]) -> FlexTensor;

    /// The gradients of those inputs that are `wanted`; the others are not looked at.
    fn backward(
        &self,
        inputs: [&FlexTensor; N],
        gradient: &FlexTensor,
        wanted: [bool; N],
    ) -> [Option<FlexTensor>; N];
}

/// The kernel of one tensor.
pub(super) fn apply1<const A: usize, const OUT: usize>(
    kernel: impl Kernel<1>,
    first: Tensor<A>,
) -> Tensor<OUT> {
    let first = first.into_dispatch();
    let kernel = AnyKernel(Arc::new(One(kernel)), 1);
    Tensor::from_dispatch(<Dispatch as KernelOps>::kernel(first.clone(), first.clone(), first, kernel))
}

/// The kernel of two tensors.
pub(super) fn apply2<const A: usize, const B: usize, const OUT: usize>(
    kernel: impl Kernel<2>,
    first: Tensor<A>,
    second: Tensor<B>,
) -> Tensor<OUT> {
    let (first, second) = (first.into_dispatch(), second.into_dispatch());
    let kernel = AnyKernel(Arc::new(Two(kernel)), 2);
    Tensor::from_dispatch(<Dispatch as KernelOps>::kernel(first, second.clone(), second, kernel))
}

/// The kernel of three tensors.
pub(super) fn apply3<const A: usize, const B: usize, const C: usize, const OUT: usize>(
    kernel: impl Kernel<3>,
    first: Tensor<A>,
    second: Tensor<B>,
    third: Tensor<C>,
) -> Tensor<OUT> {
    let kernel = AnyKernel(Arc::new(kernel), 3);
    let (first, second, third) = (first.into_dispatch(), second.into_dispatch(), third.into_dispatch());
    Tensor::from_dispatch(<Dispatch as KernelOps>::kernel(first, second, third, kernel))
}

/// A kernel of one tensor among those of three; the other two are not looked at.
#[derive(Debug)]
struct One<K>(K);

impl<K: Kernel<1>> Kernel<3> for One<K> {
    fn forward(&self, [first, ..]: [&FlexTensor; 3]) -> FlexTensor {
        self.0.forward([first])
    }

    fn backward(
        &self,
        [first, ..]: [&FlexTensor; 3],
        gradient: &FlexTensor,
        [wanted, ..]: [bool; 3],
    ) -> [Option<FlexTensor>; 3] {
        let [of_first] = self.0.backward([first], gradient, [wanted]);
        [of_first, None, None]
    }
}

/// A kernel of two tensors among those of three; the third is not looked at.
#[derive(Debug)]
struct Two<K>(K);

impl<K: Kernel<2>> Kernel<3> for Two<K> {
    fn forward(&self, [first, second, _]: [&FlexTensor; 3]) -> FlexTensor {
        self.0.forward([first, second])
    }

    fn backward(
        &self,
        [first, second, _]: [&FlexTensor; 3],
        gradient: &FlexTensor,
        [one, two, _]: [bool; 3],
    ) -> [Option<FlexTensor>; 3] {
        let [of_first, of_second] = self.0.backward([first, second], gradient, [one, two]);
        [of_first, of_second, None]
    }
}

/// A kernel and how many of the three tensors are its own.
#[derive(Debug, Clone)]
pub struct AnyKernel(Arc<dyn Kernel<3>>, usize);

/// For each input whether its gradient is wanted.
type Wanted = [bool; 3];

#[backend_extension(Flex, Autodiff)]
pub trait KernelOps: Backend {
    fn kernel(
        first: FloatTensor<Self>,
        second: FloatTensor<Self>,
        third: FloatTensor<Self>,
        kernel: AnyKernel,
    ) -> FloatTensor<Self>;

    /// The gradients, with anything in the place of those that are not wanted.
    fn kernel_backward(
        first: FloatTensor<Self>,
        second: FloatTensor<Self>,
        third: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        kernel: AnyKernel,
        wanted: Wanted,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
}

/// In a row, whatever the strides were.
pub(super) fn contiguous(tensor: FlexTensor) -> FlexTensor {
    if tensor.is_contiguous() { tensor } else { tensor.to_contiguous() }
}

impl KernelOps for Flex {
    fn kernel(first: FlexTensor, second: FlexTensor, third: FlexTensor, kernel: AnyKernel) -> FlexTensor {
        let inputs = [first, second, third].map(contiguous);
        kernel.0.forward(inputs.each_ref())
    }

    fn kernel_backward(
        first: FlexTensor,
        second: FlexTensor,
        third: FlexTensor,
        gradient: FlexTensor,
        kernel: AnyKernel,
        wanted: Wanted,
    ) -> (FlexTensor, FlexTensor, FlexTensor) {
        let inputs = [first, second, third].map(contiguous);
        let gradient = contiguous(gradient);
        let [first, second, third] = kernel.0.backward(inputs.each_ref(), &gradient, wanted);
        let or_any = |tensor: Option<FlexTensor>| tensor.unwrap_or_else(|| gradient.clone());
        (or_any(first), or_any(second), or_any(third))
    }
}

impl<B: KernelOps, C: CheckpointStrategy> KernelOps for Autodiff<B, C> {
    fn kernel(
        first: FloatTensor<Self>,
        second: FloatTensor<Self>,
        third: FloatTensor<Self>,
        kernel: AnyKernel,
    ) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct Step;
        impl<B: KernelOps> Backward<B, 3> for Step {
            type State = ([B::FloatTensorPrimitive; 3], AnyKernel);
            fn backward(
                self,
                ops: Ops<Self::State, 3>,
                gradients: &mut Gradients,
                _checkpointer: &mut Checkpointer,
            ) {
                let gradient = gradients.consume::<B>(&ops.node);
                let ([first, second, third], kernel) = ops.state;
                let own = kernel.1;
                let wanted = std::array::from_fn(|index| index < own && ops.parents[index].is_some());
                let (first, second, third) =
                    B::kernel_backward(first, second, third, gradient, kernel, wanted);
                for ((parent, gradient), wanted) in
                    ops.parents.into_iter().zip([first, second, third]).zip(wanted)
                {
                    if let (Some(parent), true) = (parent, wanted) {
                        gradients.register::<B>(parent.id, gradient);
                    }
                }
            }
        }
        let nodes = [first.node(), second.node(), third.node()];
        let [first, second, third] = [first, second, third].map(|tensor| tensor.into_primitive());
        match Step.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                let output = B::kernel(first.clone(), second.clone(), third.clone(), kernel.clone());
                prepared.finish(([first, second, third], kernel), output)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(B::kernel(first, second, third, kernel)),
        }
    }

    fn kernel_backward(
        first: FloatTensor<Self>,
        second: FloatTensor<Self>,
        third: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        kernel: AnyKernel,
        wanted: Wanted,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        // Gradients are of the first order only: these are constants.
        let [first, second, third, gradient] =
            [first, second, third, gradient].map(|tensor| tensor.into_primitive());
        let (first, second, third) = B::kernel_backward(first, second, third, gradient, kernel, wanted);
        (Self::from_inner(first), Self::from_inner(second), Self::from_inner(third))
    }
}
