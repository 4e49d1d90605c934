//! `rebus eval --edits`: how faithful each way of editing is, on held-out pairs whose captions differ by some words.

use image::DynamicImage;
use rebus_data::{Collection, DataConfig, SourceConfig, fit::Fitter, source::contrasts, split};
use rebus_eval::{EditPair, Faithfulness, faithfulness};
use rebus_models::{Model, NoObserver};
use rebus_tasks::{Change, Contrast, EditTask, GenerateTask, edit, generate};

use super::{Args, named_extractor, shipped_extractor};
use crate::cli::{attribute, failure::Failure, progress, say::out, writing};

/// Pairs where no `--samples` are told.
const PAIRS: usize = 64;
/// Rows of the sheet, at most.
const ROWS: usize = 16;

pub(super) fn edited(
    args: &Args,
    model: &dyn Model,
    collection: &dyn Collection,
    config: &DataConfig,
) -> Result<(), Failure> {
    if let Some(sheet) = &args.sheet {
        writing::sheet_file(sheet)?;
    }
    let device = rebus::device(args.compute.device())?;
    let extractor = match named_extractor(args, &device)? {
        Some(named) => named,
        None => shipped_extractor(&device)?,
    };
    let pairs = pairs(args, collection, config)?;
    let of = |what: fn(&EditPair) -> &DynamicImage| pairs.iter().map(|pair| what(pair).clone()).collect();
    let mut ways: Vec<(&str, Vec<DynamicImage>)> = vec![("source as it is", of(|pair| &pair.source))];
    let bar = progress::bar(pairs.len() as u64, "editing");
    let make = |change: &dyn Fn(&EditPair, u64) -> Result<DynamicImage, Failure>| {
        bar.set_position(0);
        let all = pairs.iter().zip(args.seed..).map(|(pair, seed)| {
            bar.inc(1);
            change(pair, seed)
        });
        all.collect::<Result<Vec<_>, Failure>>()
    };
    let by = |change: Change, pair: &EditPair, seed: u64| {
        let mut task = EditTask::new(pair.source.clone(), change);
        (task.seed, task.num_inference_steps) = (seed, args.steps);
        task.guidance_scale = args.guidance_scale;
        edit(model, &task, &mut NoObserver)?.pop().ok_or_else(|| Failure::input("nothing was edited"))
    };
    if model.generate().is_some() {
        ways.push(("drawn anew", make(&|pair, seed| drawn(model, args, &pair.to, seed))?));
    }
    if model.generate().is_some_and(|generator| generator.options().start) {
        let redraw = |pair: &EditPair, seed| by(Change::Redraw { prompt: pair.to.clone() }, pair, seed);
        ways.push(("--prompt", make(&redraw)?));
    }
    let words = |pair: &EditPair, seed| {
        by(Change::Words { from: pair.from.clone(), to: pair.to.clone() }, pair, seed)
    };
    ways.push(("--from --to", make(&words)?));
    ways.push(("what it should be", of(|pair| &pair.wanted)));
    bar.finish_and_clear();

    if let Some(sheet) = &args.sheet {
        let rows = ROWS.min(pairs.len());
        let spread = (0..rows).flat_map(|row| {
            let at = row * pairs.len() / rows;
            ways.iter().map(move |(_, pictures)| pictures[at].clone())
        });
        writing::write_sheet(sheet, &spread.collect::<Vec<_>>(), ways.len())?;
    }
    let mut found: Vec<(&str, Faithfulness)> = vec![];
    for (name, pictures) in &ways {
        found.push((name, faithfulness(&extractor, &pairs, pictures)?));
    }
    if args.json {
        let rows = found.iter().map(|(name, found)| serde_json::json!({ "way": name, "found": found }));
        let said = serde_json::json!({ "pairs": pairs.len(), "ways": rows.collect::<Vec<_>>() });
        out!("{}", serde_json::to_string_pretty(&said)?);
        return Ok(());
    }
    out!("{:4} held-out pairs     agreement   changed outside   PSNR to the truth", pairs.len());
    for (name, Faithfulness { agreement, outside, psnr }) in found {
        out!("{name:22} {agreement:10.3}  {outside:9.2} of 255  {psnr:14.2} dB");
    }
    Ok(())
}

/// Held-out pairs, evenly chosen; a model that held none out is refused.
fn pairs(args: &Args, collection: &dyn Collection, config: &DataConfig) -> Result<Vec<EditPair>, Failure> {
    let all = contrasts(collection, &SourceConfig::Words(args.edits.clone()))?;
    let held_out = split(collection, config)?.validation;
    let all: Vec<_> = all.into_iter().filter(|pair| pair.iter().all(|at| held_out.contains(at))).collect();
    if all.is_empty() {
        return Err(Failure::input(format!(
            "{}: no held-out captions differ by the words of --edits; hold more back (--validation-fraction 0.2)",
            collection.location().display()
        )));
    }
    let fitter = Fitter::new(config)?;
    let count = args.samples.unwrap_or(PAIRS).min(all.len());
    let chosen = (0..count).map(|number| {
        let Contrast { captions: [from, to], pictures: [source, wanted] } =
            attribute::contrast(collection, all[number * all.len() / count])?;
        Ok(EditPair { source: fitter.fit(source, 0)?, wanted: fitter.fit(wanted, 0)?, from, to })
    });
    chosen.collect()
}

/// A picture of a caption, whatever the source looks like.
fn drawn(model: &dyn Model, args: &Args, caption: &str, seed: u64) -> Result<DynamicImage, Failure> {
    let task = GenerateTask {
        prompts: vec![caption.to_string()],
        count: 1,
        seed,
        num_inference_steps: args.steps,
        guidance_scale: args.guidance_scale,
        ..GenerateTask::default()
    };
    let drawn = generate(model, &task, &mut NoObserver, |_| Ok(()))?.drawings.pop();
    drawn.map(|drawn| drawn.picture).ok_or_else(|| Failure::input("nothing was drawn"))
}
