//! Reads a collection of any format: `cargo run --release -p rebus --example read_a_collection PATH`.

use rebus::data::{DataConfig, Loader, LoaderPlan, Subset};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("name a collection")?;
    let collection = rebus::data::open(path.as_ref(), &Default::default())?;
    println!("{}: {} records, columns {:?}", collection.format(), collection.len(), collection.columns());

    let plan = LoaderPlan { batch_size: 4, seed: 1, start: 0, subset: Subset::Train, strict: false };
    let mut loader = Loader::new(collection, &DataConfig::default(), plan)?;
    let batch = loader.next_batch()?;
    println!("{:?}\n{:?}", batch.texts("text")?, batch.pictures("image")?.shape);
    Ok(())
}
