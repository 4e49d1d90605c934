//! Draws a picture from words with the model that ships: `cargo run --release -p rebus --example draw`.

use rebus::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let model = rebus::default_model(&rebus::device("cpu")?)?;
    let task = GenerateTask { prompts: vec!["a red apple".into()], count: 2, seed: 7, ..Default::default() };
    let output = Output::resolve("rebus-out".as_ref(), 2)?;
    generate(&*model, &task, &mut NoObserver, |drawing| {
        let name = PictureName::Numbered { words: &drawing.prompt, seed: drawing.seed };
        let file = output.write(&drawing.picture, name, &[])?;
        println!("{}", file.display());
        Ok(())
    })?;
    Ok(())
}
