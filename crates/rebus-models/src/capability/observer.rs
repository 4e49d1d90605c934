//! Watching a long capability, and stopping it.

use std::ops::ControlFlow;

use rebus_data::Pictures;

/// Progress bars, Ctrl-C, a server's cancel and its previews are all observers.
pub trait Observer {
    /// Step `done` of `total` has ended. `preview` makes the pictures as they stand, at a cost, only when called.
    /// `Break` stops the capability, which then answers with an error that says so.
    fn step(&mut self, done: usize, total: usize, preview: &dyn Fn() -> Pictures) -> ControlFlow<()>;
}

/// Watches nothing and never stops.
#[derive(Debug, Default, Clone, Copy)]
pub struct NoObserver;

impl Observer for NoObserver {
    fn step(&mut self, _: usize, _: usize, _: &dyn Fn() -> Pictures) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}
