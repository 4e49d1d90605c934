//! `rebus index`: what is searched.

use std::path::PathBuf;

use rebus_tasks::{TaskError, find::IndexReport, index};

use super::{
    failure::Failure,
    progress,
    say::{harmless, out, tell},
    store::Finding,
};

/// Arguments of `rebus index`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Index folders, collections and pictures: what is new or changed is read, what is gone forgotten. Stopped, it goes on next
    /// time.
    Add {
        /// Folders (with all below), collections (.tar, .parquet, folders with a metadata file), pictures.
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        #[command(flatten)]
        finding: Finding,
        /// Print what was done as JSON.
        #[arg(long)]
        json: bool,
    },
    /// The same of all that was added before.
    Sync {
        /// Embed all anew, by another model.
        #[arg(long)]
        reembed: bool,
        #[command(flatten)]
        finding: Finding,
        /// Print what was done as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Forget a path that was added, and all of it.
    Remove {
        /// As it was added.
        path: PathBuf,
        #[command(flatten)]
        finding: Finding,
    },
    /// What is in the store.
    Show {
        #[command(flatten)]
        finding: Finding,
        /// Print it as JSON.
        #[arg(long)]
        json: bool,
    },
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    match &args.command {
        Command::Add { paths, finding, json } => add(finding, paths, *json),
        Command::Sync { reembed, finding, json } => {
            let store = finding.place.open()?;
            let (model, name) = finding.encoder.open()?;
            if *reembed {
                store.begin_anew(&rebus_tasks::find::model_key(&*model, &name)?)?;
            }
            let sources: Vec<PathBuf> = store.about()?.sources.iter().map(PathBuf::from).collect();
            if let Some(gone) = sources.iter().find(|source| !source.exists()) {
                let way = format!("bring it back, or forget it by `rebus index remove {}`", gone.display());
                return Err(Failure::input(format!("{} was added and is not there: {way}", gone.display())));
            }
            let mut watch = progress::Drawing::of("indexing");
            let report = index(&*store, &*model, &name, &sources, &mut watch)?;
            drop(watch);
            print(&report, *json)
        }
        Command::Remove { path, finding } => {
            let count = finding.place.open()?.remove_source(&rebus_tasks::find::stored_path(path)?)?;
            out!("forgotten {count}");
            Ok(())
        }
        Command::Show { finding, json } => show(finding, *json),
    }
}

fn add(finding: &Finding, paths: &[PathBuf], json: bool) -> Result<(), Failure> {
    if let Some(missing) = paths.iter().find(|path| !path.exists()) {
        let error =
            std::io::Error::new(std::io::ErrorKind::NotFound, format!("{} is not there", missing.display()));
        return Err(TaskError::Io(error).into());
    }
    let (model, name) = finding.encoder.open()?;
    let store = finding.place.create()?;
    let mut watch = progress::Drawing::of("indexing");
    let report = index(&*store, &*model, &name, paths, &mut watch)?;
    drop(watch);
    print(&report, json)
}

fn print(report: &IndexReport, json: bool) -> Result<(), Failure> {
    if json {
        out!("{}", serde_json::to_string_pretty(report)?);
        return Ok(());
    }
    for broken in report.broken.iter().take(20) {
        tell!("{}", harmless(&format!("left out: {}: {}", broken.key, broken.reason)));
    }
    if report.broken.len() > 20 {
        tell!("left out: {} more", report.broken.len() - 20);
    }
    let IndexReport { added, changed, unchanged, forgotten, broken, .. } = report;
    let broken = broken.len();
    out!("added {added}, changed {changed}, unchanged {unchanged}, forgotten {forgotten}, left out {broken}");
    Ok(())
}

fn show(finding: &Finding, json: bool) -> Result<(), Failure> {
    let about = finding.place.open()?.about()?;
    if json {
        out!("{}", serde_json::to_string_pretty(&about)?);
        return Ok(());
    }
    for source in &about.sources {
        out!("source      {source}");
    }
    out!("items       {}", about.items);
    out!("left out    {}", about.broken);
    for (part, count) in &about.embeddings {
        out!("{:11} {count}", format!("{part}s"));
    }
    if let Some(model) = &about.model {
        out!("model       {} ({} numbers, {:.12})", model.name, model.width, model.hash);
    }
    out!("fields      {}", about.fields.join(", "));
    Ok(())
}
