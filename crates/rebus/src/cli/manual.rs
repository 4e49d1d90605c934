//! `rebus manual`: the manual page, from the same definition as the help.

use std::io::Write;

use clap::CommandFactory;

use super::{Cli, failure::Failure};

/// Arguments of `rebus manual`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: &Args) -> Result<(), Failure> {
    let mut page = vec![];
    clap_mangen::Man::new(Cli::command()).render(&mut page)?;
    std::io::stdout().write_all(&page)?;
    Ok(())
}
