//! A kernel as an operation of Burn with its own gradient: the one place that knows how Burn is extended.
//!
//! A kernel is a formula on up to three tensors of 32-bit numbers on the processor. It keeps nothing but its inputs for
//! the way back, so that its gradient costs no memory, and works out again what is cheap to work out. Under gradient
//! checkpointing (Chen et al. 2016) it does not keep what a cheap kernel gave it either: that is made once more.

use std::{any::TypeId, fmt::Debug, marker::PhantomData, sync::Arc};

use burn::{
    backend::{
        Autodiff, AutodiffBackend, Backend, Dispatch, Flex,
        autodiff::{
            NodeId,
            checkpoint::{
                base::Checkpointer,
                retro_forward::RetroForward,
                state::BackwardStates,
                strategy::{BalancedCheckpointing, CheckpointStrategy},
            },
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

    /// Whether its output is better made again on the way back than kept, where memory is short.
    fn is_cheap(&self) -> bool {
        false
    }
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

    fn is_cheap(&self) -> bool {
        self.0.is_cheap()
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

    fn is_cheap(&self) -> bool {
        self.0.is_cheap()
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

/// What a kernel has of its inputs on the way back.
#[derive(Debug, Clone)]
enum Kept<T> {
    Tensors([T; 3]),
    /// Under gradient checkpointing: those that are its own, by where they stand in the graph.
    Nodes(Vec<NodeId>),
}

/// How a cheap kernel's output is made once more. Inputs stand in the graph as often as they are given.
#[derive(Debug)]
struct Again<B> {
    inputs: [NodeId; 3],
    kernel: AnyKernel,
    backend: PhantomData<fn() -> B>,
}

impl<B: KernelOps> RetroForward for Again<B> {
    fn forward(&self, states: &mut BackwardStates, output: NodeId) {
        let [first, second, third] = self.inputs.map(|input| states.get_state::<FloatTensor<B>>(&input));
        states.save(output, B::kernel(first, second, third, self.kernel.clone()));
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
            type State = (Kept<B::FloatTensorPrimitive>, AnyKernel);
            fn backward(
                self,
                ops: Ops<Self::State, 3>,
                gradients: &mut Gradients,
                checkpointer: &mut Checkpointer,
            ) {
                let gradient = gradients.consume::<B>(&ops.node);
                let (kept, kernel) = ops.state;
                let [first, second, third] = match kept {
                    Kept::Tensors(tensors) => tensors,
                    Kept::Nodes(nodes) => {
                        let own: Vec<B::FloatTensorPrimitive> =
                            nodes.into_iter().map(|node| checkpointer.retrieve_node_output(node)).collect();
                        std::array::from_fn(|index| own[index.min(own.len() - 1)].clone())
                    }
                };
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
        let inputs = [first, second, third];
        let step = Step.prepare::<C>(inputs.each_ref().map(|input| input.node()));
        let step = match kernel.0.is_cheap() {
            true => {
                let again = Again::<B> {
                    inputs: inputs.each_ref().map(|input| input.node().id()),
                    kernel: kernel.clone(),
                    backend: PhantomData,
                };
                step.memory_bound().retro_forward(again).parents(inputs.each_ref()).stateful()
            }
            false => step.compute_bound().stateful(),
        };
        let output = |[first, second, third]: [B::FloatTensorPrimitive; 3]| {
            B::kernel(first, second, third, kernel.clone())
        };
        match step {
            OpsKind::UnTracked(prepared) => {
                prepared.finish(output(inputs.map(|input| input.into_primitive())))
            }
            OpsKind::Tracked(prepared) if TypeId::of::<C>() != TypeId::of::<BalancedCheckpointing>() => {
                let tensors = inputs.map(|input| input.into_primitive());
                let output = output(tensors.clone());
                prepared.finish((Kept::Tensors(tensors), kernel), output)
            }
            OpsKind::Tracked(mut prepared) => {
                let nodes = inputs[..kernel.1].iter().map(|input| prepared.checkpoint(input)).collect();
                let output = output(inputs.map(|input| input.into_primitive()));
                prepared.finish((Kept::Nodes(nodes), kernel), output)
            }
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use burn::tensor::Device;

    use super::{super::run, *};

    /// Twice its input, counting how often.
    #[derive(Debug)]
    struct Twice(Arc<AtomicUsize>);

    impl Kernel<1> for Twice {
        fn forward(&self, [input]: [&FlexTensor; 1]) -> FlexTensor {
            self.0.fetch_add(1, Ordering::Relaxed);
            let twice = run::numbers(input).iter().map(|value| value * 2.0).collect();
            run::tensor_like(twice, input)
        }

        fn backward(
            &self,
            _: [&FlexTensor; 1],
            gradient: &FlexTensor,
            _: [bool; 1],
        ) -> [Option<FlexTensor>; 1] {
            [Some(self.forward([gradient]))]
        }

        fn is_cheap(&self) -> bool {
            true
        }
    }

    /// How often the kernel ran for `(2x)²`, and the gradient by x.
    fn gradient(device: &Device) -> (usize, Vec<f32>) {
        let runs = Arc::new(AtomicUsize::new(0));
        let x = Tensor::<1>::from_floats([1.0, -3.0], device).require_grad();
        let twice: Tensor<1> = apply1(Twice(runs.clone()), x.clone());
        let gradients = apply2::<1, 1, 1>(Times, twice.clone(), twice).sum().backward();
        let gradient = x.grad(&gradients).unwrap();
        (runs.load(Ordering::Relaxed), gradient.into_data().iter::<f32>().collect())
    }

    /// The product of two tensors, as any kernel that keeps its inputs.
    #[derive(Debug)]
    struct Times;

    impl Kernel<2> for Times {
        fn forward(&self, [left, right]: [&FlexTensor; 2]) -> FlexTensor {
            let pairs = run::numbers(left).iter().zip(run::numbers(right));
            run::tensor_like(pairs.map(|(left, right)| left * right).collect(), left)
        }

        fn backward(
            &self,
            [left, right]: [&FlexTensor; 2],
            gradient: &FlexTensor,
            _: [bool; 2],
        ) -> [Option<FlexTensor>; 2] {
            [Some(self.forward([right, gradient])), Some(self.forward([left, gradient]))]
        }
    }

    #[test]
    fn under_checkpointing_what_is_cheap_is_made_again_and_the_gradient_is_the_same() {
        let device = Device::flex().autodiff();
        // Forward, and its way back.
        assert_eq!(gradient(&device), (2, vec![8.0, -24.0]));
        // And once more for both sides of the product.
        assert_eq!(gradient(&device.gradient_checkpointing()), (3, vec![8.0, -24.0]));
    }
}
