//! The flow as a model: what it is told, and one step of it. `sampling` makes pictures of that.

use burn::{
    module::Module,
    tensor::{Device, Tensor},
};
use rebus_data::{
    Pictures,
    random::{Purpose, stream, uniform},
};
use rebus_nn::{Init, named::NamedTensors};

use super::{FlowConfig, Moment, VelocityField, distill::STEPS, objective::beside};
use crate::{
    Condition, Conditioner, Denoise, Generate, Likelihood, Model, ModelError, ModelFolder, ModelInfo,
    Observer, Package, Translate, TranslateOptions, TranslateRequest,
    autoencoder::{Autoencoder, Latents},
    capability::{Parameterization, likelihood::STEP, reconstruct, translate},
    modality,
    reader::{Reader, Reading},
    sampling::{self, Divergence, SOURCE, log_density},
};

/// Steps of Heun's method from a picture to noise, where it is asked how likely the picture is.
const LIKELIHOOD_STEPS: usize = 20;

/// What stands before the names of an autoencoder's weights.
pub(super) const AUTOENCODER: &str = "autoencoder.";

/// All that goes into a flow's folder.
pub(super) fn package(
    mut weights: NamedTensors,
    config: &FlowConfig,
    latents: Option<&Latents>,
    reader: &Reader,
    picture_shape: [usize; 3],
) -> Package {
    let of_autoencoder = latents.into_iter().flat_map(|latents| &latents.weights);
    weights.extend(of_autoencoder.map(|(name, data)| (format!("{AUTOENCODER}{name}"), data.clone())));
    reader.packed_with(Package::new("flow", serde_json::json!(config), picture_shape, weights))
}

/// A flow that draws.
pub struct FlowModel<N> {
    network: N,
    config: FlowConfig,
    /// Where it draws latents, what makes pictures of them.
    autoencoder: Option<Autoencoder>,
    reading: Reading,
    info: ModelInfo,
    device: Device,
}

impl<N: VelocityField> FlowModel<N> {
    /// From a network in memory, and an autoencoder where the configuration has latents.
    pub fn new(
        network: N,
        config: FlowConfig,
        autoencoder: Option<Autoencoder>,
        reader: Reader,
        picture_shape: [usize; 3],
    ) -> Self {
        let parameters = network.num_params() + autoencoder.as_ref().map_or(0, Module::num_params);
        let info = ModelInfo::in_memory("flow", parameters, picture_shape);
        let device = network.devices().into_iter().next().unwrap_or_default();
        let reading = Reading::new(reader, network.text().cloned(), device.clone());
        Self { network, config, autoencoder, reading, info, device }
    }

    /// From a model folder.
    ///
    /// # Errors
    /// A configuration that cannot be, no tokenizer, or weights of another network.
    pub fn open(folder: ModelFolder, config: FlowConfig, device: &Device) -> Result<Self, ModelError> {
        config.validate()?;
        let reader = Reader::of_folder(&folder, config.encoder.as_ref(), config.text.context, device)?;
        let [channels, ..] = config.drawn_shape(folder.picture_shape)?;
        let network = N::new(&config, channels, &mut Init::empty(device));
        let network = folder.fill(network, "network.")?;
        let autoencoder = match &config.latents {
            Some(latents) => {
                let network = Autoencoder::new(latents, folder.picture_shape[0], &mut Init::empty(device));
                Some(folder.fill(network, AUTOENCODER)?)
            }
            None => None,
        };
        let mut model = Self::new(network, config, autoencoder, reader, folder.picture_shape);
        model.info = model.info.told_by(folder.hash, folder.provenance);
        Ok(model)
    }

    fn at(&self, x_t: Tensor<4>, moment: Moment, condition: &Condition) -> Result<Tensor<4>, ModelError> {
        let nothing;
        let condition = match condition.main() {
            Some(_) => condition,
            None => {
                nothing = self.reading.nothing(x_t.dims()[0])?;
                &nothing
            }
        };
        let text = condition.main().ok_or_else(ModelError::without_text)?;
        let (found, wanted) = (text.widths(), [self.config.told_width(); 2]);
        if found != wanted {
            return Err(ModelError::told_otherwise(found, wanted));
        }
        let source = match self.config.from_source {
            true => Some(condition.spatial.get(SOURCE).cloned().unwrap_or_else(|| x_t.zeros_like())),
            false => None,
        };
        Ok(self.network.forward(beside(x_t, source), moment, text))
    }
}

impl<N: VelocityField> Model for FlowModel<N> {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn conditioner(&self) -> Option<&dyn Conditioner> {
        Some(&self.reading)
    }

    /// One that has learned to make pictures of others makes none of nothing.
    fn generate(&self) -> Option<&dyn Generate> {
        (!self.config.from_source).then_some(self)
    }

    fn denoise(&self) -> Option<&dyn Denoise> {
        (!self.config.from_source).then_some(self)
    }

    fn translate(&self) -> Option<&dyn Translate> {
        self.config.from_source.then_some(self)
    }

    /// Of latents it knows only their own density, and of a mean velocity there is none.
    fn likelihood(&self) -> Option<&dyn Likelihood> {
        let of_pixels = self.autoencoder.is_none() && !self.config.mean_velocity;
        (of_pixels && !self.config.from_source).then_some(self)
    }
}

impl<N: VelocityField> Translate for FlowModel<N> {
    fn translate(
        &self,
        request: &TranslateRequest,
        observer: &mut dyn Observer,
    ) -> Result<Pictures, ModelError> {
        translate::check_sources(&request.sources, self.info.picture_shape[0], self.multiple())?;
        sampling::redraw(self, request, observer)
    }

    fn multiple(&self) -> usize {
        self.config.side_multiple()
    }

    fn options(&self) -> TranslateOptions {
        TranslateOptions { backwards: false, prompt: true, guidance: true, steps: true }
    }
}

impl<N: VelocityField> Likelihood for FlowModel<N> {
    fn log_probability(
        &self,
        pictures: &Pictures,
        condition: Option<&Condition>,
        seed: u64,
        observer: &mut dyn Observer,
    ) -> Result<Vec<f64>, ModelError> {
        reconstruct::check_pictures(pictures, self.info.picture_shape)?;
        let condition = match condition {
            Some(condition) => condition.clone(),
            None => self.reading.nothing(pictures.len())?,
        };
        let numbers = self.info.picture_shape.iter().product::<usize>();
        sampling::numbers_in_chunks(pictures, observer, |chunk, shown| {
            let seeds = chunk.seeds(seed);
            let between = between_steps(shown, &seeds);
            let divergence = Divergence::Estimated { probes: 1, seed: seeds[0] };
            let found = log_density(
                self,
                modality::to_tensor(&between, &self.device),
                &chunk.condition(&condition),
                LIKELIHOOD_STEPS,
                divergence,
            )?;
            Ok(found.into_iter().map(|density| density + numbers as f64 * STEP.ln()).collect())
        })
    }

    fn bound(&self) -> &'static str {
        "dequantised, by 20 steps of Heun and one probe"
    }
}

/// Pictures of 8 bits a number at random places within their steps: the mean density there is a lower bound of the probability of
/// the step (Theis et al. 2016, equation 5).
fn between_steps(pictures: &Pictures, seeds: &[u64]) -> Pictures {
    let mut data = pictures.data.clone();
    let entries = data.chunks_mut(pictures.shape[1..].iter().product::<usize>().max(1));
    for (values, seed) in entries.zip(seeds) {
        let mut generator = stream(*seed, Purpose::Noise, 0, 0);
        values.iter_mut().for_each(|value| *value += (uniform(&mut generator) - 0.5) * STEP as f32);
    }
    Pictures { shape: pictures.shape, data }
}

impl<N: VelocityField> Denoise for FlowModel<N> {
    fn parameterization(&self) -> Parameterization {
        match self.config.mean_velocity {
            true => Parameterization::MeanVelocity,
            false => Parameterization::Velocity,
        }
    }

    fn latent_shape(&self, height: usize, width: usize) -> Result<[usize; 3], ModelError> {
        self.config.drawn_shape([self.info.picture_shape[0], height, width])
    }

    fn encode(&self, pictures: Tensor<4>) -> Tensor<4> {
        match &self.autoencoder {
            Some(autoencoder) => autoencoder.encode(pictures),
            None => pictures,
        }
    }

    fn decode(&self, latent: Tensor<4>) -> Tensor<4> {
        match &self.autoencoder {
            Some(autoencoder) => autoencoder.decode(latent),
            None => latent,
        }
    }

    fn predict(
        &self,
        x_t: Tensor<4>,
        times: Tensor<1>,
        condition: &Condition,
    ) -> Result<Tensor<4>, ModelError> {
        self.at(x_t, Moment::at(times), condition)
    }

    fn predict_over(
        &self,
        x_t: Tensor<4>,
        times: Tensor<1>,
        lengths: Tensor<1>,
        condition: &Condition,
    ) -> Result<Tensor<4>, ModelError> {
        self.at(x_t, Moment { times, lengths: Some(lengths) }, condition)
    }

    fn possible_steps(&self) -> Option<&'static [usize]> {
        self.config.mean_velocity.then_some(&STEPS)
    }

    fn default_steps(&self) -> usize {
        if self.config.mean_velocity { 4 } else { 20 }
    }

    fn unconditional(&self, batch: usize) -> Result<Condition, ModelError> {
        self.reading.nothing(batch)
    }

    fn device(&self) -> Device {
        self.device.clone()
    }

    fn picture_shape(&self) -> [usize; 3] {
        self.info.picture_shape
    }
}
