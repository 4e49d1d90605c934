//! The generator as a model that draws in one step what it is told, and finds what draws a picture.

use burn::{
    module::Module,
    tensor::{Device, Tensor, TensorData},
};
use rebus_data::Pictures;
use rebus_nn::{
    Init,
    random::{Purpose, normal_per_seed},
};

use super::{
    Generator, ModernConfig,
    latent::{Latent, STEPS, search},
};
use crate::{
    Condition, Conditioner, Generate, GenerateOptions, GenerateRequest, Model, ModelError, ModelFolder,
    ModelInfo, NoObserver, Observer, Reconstruct, Vectors,
    capability::reconstruct,
    modality,
    reader::{Reader, Reading},
    registry::section,
    sampling,
};

/// A generator with captions that draws.
pub struct ModernModel {
    generator: Generator,
    config: ModernConfig,
    text: Reading,
    info: ModelInfo,
    device: Device,
}

impl ModernModel {
    /// From a network in memory.
    pub fn new(
        generator: Generator,
        config: ModernConfig,
        picture_shape: [usize; 3],
        reader: Reader,
    ) -> Self {
        let info = ModelInfo::in_memory(super::FAMILY.name, generator.num_params(), picture_shape);
        let device = generator.devices().into_iter().next().unwrap_or_default();
        let text = Reading::new(reader, generator.text.clone(), device.clone());
        Self { generator, config, text, info, device }
    }

    /// From a model folder.
    ///
    /// # Errors
    /// A configuration that does not parse, no tokenizer, or weights of another network.
    pub fn open(folder: ModelFolder, device: &Device) -> Result<Self, ModelError> {
        let config: ModernConfig = section(&folder.config, "config", super::FAMILY.name)?;
        config.validate(folder.picture_shape)?;
        let reader = Reader::of_folder(&folder, config.encoder.as_ref(), config.text.context, device)?;
        let generator = Generator::new(&config, folder.picture_shape, &mut Init::empty(device));
        let generator = folder.fill(generator, "generator.")?;
        let mut model = Self::new(generator, config, folder.picture_shape, reader);
        model.info = model.info.told_by(folder.hash, folder.provenance);
        Ok(model)
    }

    /// A condition of so many entries; the unconditional one where none is given.
    fn told(&self, condition: Option<&Condition>, count: usize) -> Result<Condition, ModelError> {
        match condition {
            Some(condition) => Ok(condition.clone()),
            None => self.text.nothing(count),
        }
    }
}

fn pooled(condition: &Condition) -> Result<Tensor<2>, ModelError> {
    Ok(condition.main().ok_or_else(ModelError::without_text)?.pooled.clone())
}

impl Model for ModernModel {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn conditioner(&self) -> Option<&dyn Conditioner> {
        Some(&self.text)
    }

    fn generate(&self) -> Option<&dyn Generate> {
        Some(self)
    }

    fn reconstruct(&self) -> Option<&dyn Reconstruct> {
        Some(self)
    }
}

impl Generate for ModernModel {
    fn generate(
        &self,
        request: &GenerateRequest,
        observer: &mut dyn Observer,
    ) -> Result<Pictures, ModelError> {
        let condition = self.told(request.condition.as_ref(), request.seeds.len())?;
        sampling::in_one_step(request.seeds.len(), self.info.picture_shape, observer, |chunk| {
            let seeds = chunk.of(&request.seeds);
            let noise =
                normal_per_seed([0, self.config.noise_width], &seeds, Purpose::Noise, 0, &self.device);
            Ok(self.generator.forward(noise, pooled(&chunk.condition(&condition))?))
        })
    }

    fn options(&self) -> GenerateOptions {
        GenerateOptions { prompt: true, ..GenerateOptions::default() }
    }
}

impl Reconstruct for ModernModel {
    fn latent_width(&self) -> usize {
        self.config.noise_width + self.generator.layers() * self.config.style_width
    }

    fn latents(
        &self,
        pictures: &Pictures,
        condition: Option<&Condition>,
        observer: &mut dyn Observer,
    ) -> Result<Vectors, ModelError> {
        let [count, shape @ ..] = pictures.shape;
        reconstruct::check_pictures(pictures, self.info.picture_shape)?;
        let condition = self.told(condition, count)?;
        let all: Vec<&[f32]> = pictures.data.chunks(shape.iter().product()).collect();
        let mut data = vec![];
        let chunks = sampling::chunks(count);
        let total = chunks.len() * STEPS;
        for (number, chunk) in chunks.enumerate() {
            let shown = modality::to_tensor(&chunk.pictures(&all, shape), &self.device);
            let pooled = pooled(&chunk.condition(&condition))?;
            let mut watch =
                |step| observer.step(number * STEPS + step, total, &|| pictures.clone()).is_continue();
            let found = search(&self.generator, &self.config, shown, pooled, &mut watch);
            let found = found.ok_or(ModelError::Interrupted)?;
            let rows = found.to_rows().narrow(0, 0, chunk.length);
            data.extend(rows.into_data().iter::<f32>());
        }
        Ok(Vectors { width: self.latent_width(), data })
    }

    fn decode(&self, latents: &Vectors, condition: Option<&Condition>) -> Result<Pictures, ModelError> {
        reconstruct::check_latents(latents, self.latent_width())?;
        let count = latents.len();
        let condition = self.told(condition, count)?;
        let rows: Vec<&[f32]> = latents.data.chunks(latents.width.max(1)).collect();
        sampling::in_one_step(count, self.info.picture_shape, &mut NoObserver, |chunk| {
            let chosen = chunk.of(&rows);
            let data = TensorData::new(chosen.concat(), [chosen.len(), latents.width]);
            let latent = Latent::of_rows(Tensor::from_data(data, &self.device), &self.config);
            Ok(latent.drawn(&self.generator, pooled(&chunk.condition(&condition))?))
        })
    }
}
