//! Trains on a folder of captioned pictures: `cargo run --release -p rebus --example train_on_a_folder FOLDER`.

use rebus::train::{NoTrainObserver, Source, TrainOptions, recipes, train};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).ok_or("name a folder of pictures")?;
    let collection = rebus::data::open(folder.as_ref(), &Default::default())?;
    let picked = recipes::pick(&*collection)?;
    println!("recipe {}: {}", picked.name, picked.why);

    let mut options = TrainOptions::new("runs/example", rebus::device("cpu")?, "cpu");
    options.data = Some(Source::Open(collection));
    options.recipe = Some(picked.recipe);
    options.set = vec!["train.steps=100".into(), "train.batch_size=8".into()];
    println!("{:?}", train(&options, &mut NoTrainObserver)?);
    Ok(())
}
