//! Two tensors of one shape added up, on all threads. One that nobody else holds is written over, and nothing is kept for the
//! way back.

use burn::{
    backend::{
        Autodiff, Backend, Dispatch, Flex,
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
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{
    lanes::Lanes,
    op,
    rows::update,
    run::{self, Formula, WORTH_A_THREAD},
};

/// On the processor.
pub(super) fn add<const D: usize>(left: Tensor<D>, right: Tensor<D>) -> Tensor<D> {
    assert_eq!(left.dims(), right.dims(), "tensors of different shapes");
    Tensor::from_dispatch(<Dispatch as AddOps>::sum(left.into_dispatch(), right.into_dispatch()))
}

#[backend_extension(Flex, Autodiff)]
pub trait AddOps: Backend {
    fn sum(left: FloatTensor<Self>, right: FloatTensor<Self>) -> FloatTensor<Self>;
}

impl AddOps for Flex {
    fn sum(left: FlexTensor, right: FlexTensor) -> FlexTensor {
        let (left, right) = (op::contiguous(left), op::contiguous(right));
        let (mut to, other) = if left.is_unique() { (left, right) } else { (right, left) };
        if !to.is_unique() {
            return run::tensor_like(run::each(Sum, [run::numbers(&to), run::numbers(&other)]), &to);
        }
        let chunks = run::numbers_mut(&mut to).par_chunks_mut(WORTH_A_THREAD);
        chunks.zip(run::numbers(&other).par_chunks(WORTH_A_THREAD)).for_each(|(to, other)| {
            run::dispatch(AddTo { to, other });
        });
        to
    }
}

impl<B: AddOps, C: CheckpointStrategy> AddOps for Autodiff<B, C> {
    fn sum(left: FloatTensor<Self>, right: FloatTensor<Self>) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct Step;
        impl<B: AddOps> Backward<B, 2> for Step {
            type State = ();
            fn backward(self, ops: Ops<(), 2>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
                let gradient = gradients.consume::<B>(&ops.node);
                for parent in ops.parents.into_iter().flatten() {
                    gradients.register::<B>(parent.id, gradient.clone());
                }
            }
        }
        let nodes = [left.node(), right.node()];
        let output = B::sum(left.into_primitive(), right.into_primitive());
        match Step.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish((), output),
            OpsKind::UnTracked(prepared) => prepared.finish(output),
        }
    }
}

#[derive(Clone, Copy)]
struct Sum;

impl Formula<2> for Sum {
    #[inline(always)]
    fn apply<S: Simd>(self, [left, right]: [Lanes<S>; 2]) -> Lanes<S> {
        left + right
    }
}

struct AddTo<'a> {
    to: &'a mut [f32],
    other: &'a [f32],
}

impl WithSimd for AddTo<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        update(
            simd,
            self.to,
            [self.other],
            #[inline(always)]
            |to, [other]| to + other,
        );
    }
}
