//! The program `rebus`: cross-modal picture making from the command line.

#![deny(clippy::print_stdout, clippy::print_stderr, reason = "a closed pipe would be a panic: cli/say.rs")]
#![allow(clippy::exit, reason = "the exit code is decided here and nowhere else")]

mod cli;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    rebus_nn::kernels::keep_freed_memory();
    std::process::exit(rebus_nn::kernels::on_threads(cli::run));
}
