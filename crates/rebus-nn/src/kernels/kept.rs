//! What a kernel makes of a weight, kept for as long as the weight stays the same.

#[cfg(feature = "cpu")]
use std::{
    any::Any,
    sync::{Arc, Mutex, PoisonError},
};

#[cfg(feature = "cpu")]
use burn::backend::flex::FlexTensor;

/// What a layer makes of its weight, kept for as long as the weight stays the same. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct PackedWeight(#[cfg(feature = "cpu")] Arc<Mutex<Option<Kept>>>);

/// Something made, and the weight that it was made from: what somebody holds is never written over, so they fit each
/// other for as long as both are here.
#[cfg(feature = "cpu")]
#[derive(Debug)]
struct Kept {
    weight: FlexTensor,
    made: Arc<dyn Any + Send + Sync>,
}

#[cfg(feature = "cpu")]
impl PackedWeight {
    /// That of this kind made of this weight; it is made unless it is kept already.
    pub(super) fn of<T: Any + Send + Sync>(&self, weight: &FlexTensor, make: impl FnOnce() -> T) -> Arc<T> {
        // Nothing is made under the lock: other threads may come back here while they wait for one another.
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = &*lock()
            && std::ptr::eq(kept.weight.bytes(), weight.bytes())
            && kept.weight.layout() == weight.layout()
            && let Ok(made) = kept.made.clone().downcast()
        {
            return made;
        }
        let made = Arc::new(make());
        *lock() = Some(Kept { weight: weight.clone(), made: made.clone() });
        made
    }
}
