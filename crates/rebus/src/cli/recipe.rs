//! `rebus recipe`: the recipes inside the program.

use rebus_train::recipes;

use super::{failure::Failure, say::out};

/// Arguments of `rebus recipe`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Names, and what each makes.
    List,
    /// A recipe as it stands, to be saved and changed.
    Show {
        /// Its name.
        name: String,
    },
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    match &args.command {
        Command::List => {
            for recipe in recipes::list() {
                out!("{:14} {}", recipe.name, recipe.about());
            }
        }
        Command::Show { name } => super::say::text(format_args!("{}", recipes::show(name)?.text))?,
    }
    Ok(())
}
