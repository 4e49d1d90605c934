//! The command line: a file a subcommand, each thin: parse, call, print.
//!
//! Standard output is for results; progress, warnings and errors go to standard error.

mod again;
mod attribute;
mod cache;
mod caption;
mod completions;
mod compose;
mod compute;
mod data;
mod demo;
mod doctor;
mod duplicates;
mod edit;
mod edits;
mod eval;
mod export;
mod failure;
mod generate;
mod index;
mod interpolate;
mod label;
mod manual;
mod map;
mod measure;
mod model;
mod picture;
mod progress;
mod recipe;
mod reconstruct;
mod runs;
mod say;
mod search;
mod show;
mod store;
mod train;
mod translate;
mod watch;
mod writing;

use std::io::IsTerminal as _;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

/// Cross-modal picture making: learn from captioned pictures, then draw from words.
#[derive(Debug, Parser)]
#[command(name = "rebus", version, propagate_version = true, arg_required_else_help = true)]
struct Cli {
    /// Say less: no progress, errors only.
    #[arg(long, short, global = true)]
    quiet: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Draw pictures from words with the model that ships, and show them on a page.
    Demo(demo::Args),
    /// Draw pictures from words.
    Generate(generate::Args),
    /// Change a picture: by a prompt, in a region, or as other words would have it.
    Edit(edit::Args),
    /// Learn a slider for `rebus edit --attribute` from captions or groups of a collection.
    Attribute(attribute::Args),
    /// Make other pictures of pictures: of edges, of grey ones, of small ones.
    Translate(translate::Args),
    /// One picture of several: of files, of prompts and of words, in layers.
    Compose(compose::Args),
    /// The way from one picture to another, or from one prompt to another.
    Interpolate(interpolate::Args),
    /// What a model keeps of pictures.
    Reconstruct(reconstruct::Args),
    /// Keep pictures and collections so that they can be found.
    Index(index::Args),
    /// Find indexed pictures by words, by pictures and by what their fields say.
    Search(search::Args),
    /// Which of some labels fits a picture, without having learned to classify.
    Label(label::Args),
    /// What people said of the indexed pictures that lies nearest to a picture.
    Caption(caption::Args),
    /// Groups of indexed pictures that look alike.
    Duplicates(duplicates::Args),
    /// A page with all indexed pictures, those that look alike side by side.
    Map(map::Args),
    /// How a picture was made, and the command that makes it again.
    Show(show::Args),
    /// Learn from a collection of captioned pictures.
    Train(train::Args),
    /// The recipes that are built in.
    Recipe(recipe::Args),
    /// Make a model folder of a run.
    Export(export::Args),
    /// Loss curves and a table of one or more runs.
    Runs(runs::Args),
    /// Measure how well a model draws what it is told.
    Eval(eval::Args),
    /// Look at a collection before training, or change its format.
    Data(data::Args),
    /// What a model folder is.
    Model(model::Args),
    /// Devices, speed, and what is missing on this machine.
    Doctor(doctor::Args),
    /// Completions for a shell, on standard output.
    Completions(completions::Args),
    /// The manual page, on standard output.
    Manual(manual::Args),
}

/// Runs the command line and says which code to exit with: 0 done, 1 failed, 2 wrong usage or input, 130 interrupted.
pub(crate) fn run() -> i32 {
    let parsed = Cli::command().try_get_matches().and_then(|matches| {
        again::keep(&matches, &Cli::command());
        Cli::from_arg_matches(&matches)
    });
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return error.exit_code();
        }
    };
    let level = if cli.quiet { tracing::Level::ERROR } else { tracing::Level::WARN };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .log_internal_errors(false)
        .with_target(false)
        .without_time()
        .init();
    progress::QUIET.store(cli.quiet, std::sync::atomic::Ordering::Relaxed);
    let result = match cli.command {
        Command::Demo(args) => demo::run(&args),
        Command::Generate(args) => generate::run(&args),
        Command::Edit(args) => edit::run(&args),
        Command::Attribute(args) => attribute::run(&args),
        Command::Translate(args) => translate::run(&args),
        Command::Compose(args) => compose::run(&args),
        Command::Interpolate(args) => interpolate::run(&args),
        Command::Reconstruct(args) => reconstruct::run(&args),
        Command::Index(args) => index::run(&args),
        Command::Search(args) => search::run(&args),
        Command::Label(args) => label::run(&args),
        Command::Caption(args) => caption::run(&args),
        Command::Duplicates(args) => duplicates::run(&args),
        Command::Map(args) => map::run(&args),
        Command::Show(args) => show::run(&args),
        Command::Train(args) => train::run(&args),
        Command::Recipe(args) => recipe::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Runs(args) => runs::run(&args),
        Command::Eval(args) => eval::run(&args),
        Command::Data(args) => data::run(&args),
        Command::Model(args) => model::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Manual(args) => manual::run(&args),
    };
    match result {
        Ok(()) => 0,
        Err(failure) => failure.report(),
    }
}
