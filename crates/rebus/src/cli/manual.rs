//! `rebus manual`: the manual pages, from the same definition as the help.

use std::{io::Write, path::PathBuf};

use clap::CommandFactory;
use fs_err as fs;

use super::{Cli, failure::Failure, say::out};

/// Arguments of `rebus manual`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A folder for all pages, one a command, such as man/man1; without it the first page goes to standard output.
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let command = Cli::command();
    match &args.output {
        Some(folder) => {
            fs::create_dir_all(folder)?;
            clap_mangen::generate_to(command, folder)?;
            out!("{}", folder.display());
        }
        None => {
            let mut page = vec![];
            clap_mangen::Man::new(command).render(&mut page)?;
            std::io::stdout().write_all(&page)?;
        }
    }
    Ok(())
}
