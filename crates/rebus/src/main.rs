//! The program `rebus`: cross-modal picture making from the command line.

#![allow(clippy::exit, reason = "the exit code is decided here and nowhere else")]

mod cli;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    std::process::exit(cli::run());
}
