//! `rebus duplicates`: groups of pictures that look alike.

use rebus_store::Item;
use rebus_tasks::{DuplicatesTask, duplicates};

use super::{
    failure::Failure,
    say::{harmless, out, tell},
    search::Showing,
    store::{Finding, filter, shown},
};

/// Arguments of `rebus duplicates`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The cosine from which on two pictures are alike; 1 is the same to the encoder.
    #[arg(long, default_value_t = DuplicatesTask::default().threshold, allow_negative_numbers = true)]
    threshold: f32,
    /// Among which items, as in `rebus search --where`.
    #[arg(long = "where", value_name = "FILTER")]
    filter: Option<String>,
    #[command(flatten)]
    finding: Finding,
    #[command(flatten)]
    shown: Showing,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    args.shown.check()?;
    let store = args.finding.place.open()?;
    let filter = filter(&*store, args.filter.as_deref())?;
    let task = DuplicatesTask { threshold: args.threshold, filter, ..Default::default() };
    let groups = duplicates(&*store, &task)?;
    let ids: Vec<i64> = groups.iter().flat_map(|group| group.items()).copied().collect();
    let items = store.items(&ids)?;
    let group_of = groups.iter().enumerate().flat_map(|(place, group)| vec![place + 1; group.items().len()]);
    let rows: Vec<(&Item, String)> =
        items.iter().zip(group_of).map(|(item, group)| (item, format!("group {group}"))).collect();
    args.shown.write("rebus duplicates", &rows)?;
    if args.shown.json {
        out!("{}", serde_json::to_string_pretty(&groups)?);
        return Ok(());
    }
    if groups.is_empty() {
        tell!("no two are alike; a lower --threshold than {} finds more", args.threshold);
    }
    for group in &groups {
        out!("{} alike, {:.3}", group.paths.len(), group.cosine);
        for path in &group.paths {
            out!("  {}", harmless(&shown(path)));
        }
    }
    Ok(())
}
