//! `rebus completions`: what a shell needs to complete the command line.

use std::io::Write;

use clap::CommandFactory;

use super::{Cli, failure::Failure};

/// Arguments of `rebus completions`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The shell.
    shell: clap_complete::Shell,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let mut script = vec![];
    clap_complete::generate(args.shell, &mut Cli::command(), "rebus", &mut script);
    std::io::stdout().write_all(&script)?;
    Ok(())
}
