//! Where and in which numbers a model computes: the options of every command that draws with one.

use std::{path::Path, sync::Arc};

use rebus::ComputePrecision;
use rebus_models::Model;
use rebus_nn::{burn::tensor::Device, kernels::multiplies_bf16};
use rebus_tasks::MadeBy;

use super::failure::Failure;

/// Options of commands that draw.
#[derive(Debug, clap::Args)]
pub(crate) struct Compute {
    /// Where to compute: cpu, vulkan:0, metal:0, cuda:0.
    #[arg(long, default_value = "cpu")]
    device: String,
    /// In which numbers to multiply: bf16 is less exact, and faster where the processor has AVX512-BF16.
    #[arg(long, default_value = "f32", value_parser = ["f32", "bf16"])]
    precision: String,
}

impl Compute {
    /// The name of the device.
    pub(crate) fn device(&self) -> &str {
        &self.device
    }

    /// What a picture says of the model that made it.
    pub(crate) fn made_by(&self, folder: Option<&Path>, model: &dyn Model) -> MadeBy {
        let named = folder.map(Path::to_path_buf).or_else(rebus::default_folder);
        let name = named.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
        MadeBy::new(name.unwrap_or_else(|| "shipped".to_string()), model)
    }

    /// The model in `folder`, or else the one that serves where none is named.
    pub(crate) fn model(&self, folder: Option<&Path>) -> Result<Arc<dyn Model>, Failure> {
        let (precision, device) = self.resolved()?;
        Ok(rebus::model_in(precision, folder, &device)?)
    }

    /// The same of models that make other pictures of pictures.
    pub(crate) fn translator(&self, folder: Option<&Path>) -> Result<Arc<dyn Model>, Failure> {
        let (precision, device) = self.resolved()?;
        Ok(rebus::translator_in(precision, folder, &device)?)
    }

    fn resolved(&self) -> Result<(ComputePrecision, Device), Failure> {
        let device = rebus::device(&self.device)?;
        let precision = match self.precision.as_str() {
            "bf16" => ComputePrecision::Bfloat16,
            _ => ComputePrecision::Float32,
        };
        if precision == ComputePrecision::Bfloat16 && !multiplies_bf16(&device) {
            tracing::warn!("{} does not multiply in bf16 here: float32 serves instead", self.device);
        }
        Ok((precision, device))
    }
}
