//! Progress bars on standard error, and Ctrl-C.

use std::{
    ops::ControlFlow,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use indicatif::{ProgressBar, ProgressStyle};
use rebus_data::Pictures;
use rebus_models::Observer;

use super::say;

/// Whether `--quiet` was given.
pub(crate) static QUIET: AtomicBool = AtomicBool::new(false);

static INTERRUPTED: AtomicBool = AtomicBool::new(false);
static HANDLER: OnceLock<()> = OnceLock::new();

/// From now on the first Ctrl-C sets this flag, so that the work ends in order, and the second ends at once.
pub(crate) fn interruptible() -> &'static AtomicBool {
    HANDLER.get_or_init(|| {
        let handler = || {
            if INTERRUPTED.swap(true, Ordering::Relaxed) {
                std::process::exit(130);
            }
            say::always(format_args!("\nStopping in order; press Ctrl-C again to stop at once."));
        };
        if let Err(error) = ctrlc::set_handler(handler) {
            tracing::warn!("Ctrl-C will stop at once: {error}");
        }
    });
    &INTERRUPTED
}

/// A bar of `total` steps; hidden with `--quiet` and where standard error is no terminal.
pub(crate) fn bar(total: u64, what: &'static str) -> ProgressBar {
    if QUIET.load(Ordering::Relaxed) {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(total);
    if let Ok(style) = ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len} {msg} {eta}") {
        bar.set_style(style);
    }
    bar.set_prefix(what);
    bar
}

/// Shows the steps of drawing and stops at Ctrl-C.
pub(crate) struct Drawing {
    bar: ProgressBar,
    interrupted: &'static AtomicBool,
}

impl Drawing {
    pub(crate) fn new() -> Self {
        Self::of("drawing")
    }

    /// The same of another work.
    pub(crate) fn of(what: &'static str) -> Self {
        Self { bar: bar(0, what), interrupted: interruptible() }
    }
}

impl Observer for Drawing {
    fn step(&mut self, done: usize, total: usize, _preview: &dyn Fn() -> Pictures) -> ControlFlow<()> {
        self.bar.set_length(total as u64);
        self.bar.set_position(done as u64);
        if self.interrupted.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}

impl Drop for Drawing {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
