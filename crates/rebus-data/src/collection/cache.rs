//! A small cache of decoded blocks, bounded in bytes and shared between threads.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Blocks by number, the latest used last. A block is made by one thread while the others that want it wait.
#[derive(Debug)]
pub(crate) struct Cache<T> {
    limit: usize,
    slots: Mutex<Vec<Slot<T>>>,
}

#[derive(Debug)]
struct Slot<T> {
    key: usize,
    bytes: usize,
    value: Arc<Mutex<Option<Arc<T>>>>,
}

impl<T> Cache<T> {
    /// A cache that keeps blocks of up to `limit` bytes together, and the latest one whatever its size.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, slots: Mutex::new(Vec::new()) }
    }

    /// The block, made by `make` if it is not there; `bytes` tells its size.
    ///
    /// # Errors
    /// Those of `make`; nothing is kept then.
    pub(crate) fn get<E>(
        &self,
        key: usize,
        make: impl FnOnce() -> Result<T, E>,
        bytes: impl FnOnce(&T) -> usize,
    ) -> Result<Arc<T>, E> {
        let value = self.touch(key);
        let mut held = lock(&value);
        if let Some(found) = &*held {
            return Ok(found.clone());
        }
        let made = Arc::new(make()?);
        let size = bytes(&made);
        *held = Some(made.clone());
        drop(held);
        self.weigh(key, size);
        Ok(made)
    }

    /// The slot of a block, moved to the end.
    fn touch(&self, key: usize) -> Arc<Mutex<Option<Arc<T>>>> {
        let mut slots = lock(&self.slots);
        let slot = match slots.iter().position(|slot| slot.key == key) {
            Some(place) => slots.remove(place),
            None => Slot { key, bytes: 0, value: Arc::new(Mutex::new(None)) },
        };
        let value = slot.value.clone();
        slots.push(slot);
        value
    }

    /// Notes a block's size and lets go of the oldest that are too many.
    fn weigh(&self, key: usize, bytes: usize) {
        let mut slots = lock(&self.slots);
        if let Some(slot) = slots.iter_mut().find(|slot| slot.key == key) {
            slot.bytes = bytes;
        }
        let mut total: usize = slots.iter().map(|slot| slot.bytes).sum();
        while total > self.limit && slots.len() > 1 {
            total -= slots.remove(0).bytes;
        }
    }
}

/// A thread that panicked while it held the lock leaves a slot empty or whole, never half made.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn the_oldest_blocks_go_first_and_the_latest_stays() {
        let cache = Cache::new(20);
        let made = AtomicUsize::new(0);
        let get = |key| {
            cache.get::<()>(key, || Ok(made.fetch_add(1, Ordering::Relaxed)), |_| 10).unwrap();
            made.load(Ordering::Relaxed)
        };
        assert_eq!([get(1), get(2), get(1), get(3), get(1), get(2)], [1, 2, 2, 3, 3, 4]);
        let large = Cache::new(1);
        large.get::<()>(1, || Ok(0), |_| 100).unwrap();
        assert_eq!(*large.get::<()>(1, || Ok(1), |_| 100).unwrap(), 0);
    }

    #[test]
    fn a_block_that_cannot_be_made_is_tried_again() {
        let cache = Cache::new(20);
        assert_eq!(cache.get(1, || Err("no"), |_: &u8| 1), Err("no"));
        assert_eq!(cache.get::<&str>(1, || Ok(5u8), |_| 1).map(|value| *value), Ok(5));
    }
}
