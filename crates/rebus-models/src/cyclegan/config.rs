//! The sizes of the networks and the weights of their losses.

use serde::{Deserialize, Serialize};

use crate::{
    ModelError,
    gan::{PatchDiscriminator, loss::PatchLoss},
};

/// Sizes of a [`Generator`](super::Generator).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CycleGanConfig {
    /// Channels at the picture's own size; twice as many at half the side, four times as many at a quarter.
    pub width: usize,
    /// Residual blocks at a quarter of the side.
    pub blocks: usize,
}

impl Default for CycleGanConfig {
    fn default() -> Self {
        Self { width: 24, blocks: 4 }
    }
}

/// Both sides of a picture are multiples of this.
pub(super) const MULTIPLE: usize = 4;

/// The smallest side: seven pixels that are mirrored at an edge are others than those at the edge.
const SMALLEST: usize = 8;

impl CycleGanConfig {
    /// Checks what the types cannot, the size of the pictures included.
    ///
    /// # Errors
    /// Names the field, its value and the rule.
    pub fn validate(&self, [_, height, width]: [usize; 3]) -> Result<(), ModelError> {
        for (field, value) in [("model.width", self.width), ("model.blocks", self.blocks)] {
            if value == 0 || value > 1024 {
                let rule = "it must be from 1 to 1024".to_string();
                return Err(ModelError::Config { field, value: value.to_string(), rule });
            }
        }
        if [height, width].iter().all(|side| *side >= SMALLEST && side.is_multiple_of(MULTIPLE)) {
            return Ok(());
        }
        Err(ModelError::Config {
            field: "data.image_size",
            value: format!("{width}x{height}"),
            rule: format!("both sides must be multiples of {MULTIPLE}, and at least {SMALLEST}"),
        })
    }
}

/// Weights of the losses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CycleGanObjectiveConfig {
    /// What it counts for that a picture comes back when it is translated there and back (lambda of equation 3).
    pub cycle_weight: f64,
    /// What it counts for, in shares of that, that a picture stays as it is that is what it should be already (section 5.2).
    pub identity_weight: f64,
    /// By which loss patches are judged.
    pub loss: PatchLoss,
    /// Channels of each discriminator's levels.
    pub discriminator_widths: Vec<usize>,
    /// Past pictures that each discriminator is shown beside new ones (Shrivastava et al. 2017); 0 shows new ones alone.
    pub pool: usize,
}

impl Default for CycleGanObjectiveConfig {
    fn default() -> Self {
        Self {
            cycle_weight: 10.0,
            identity_weight: 0.5,
            loss: PatchLoss::LeastSquares,
            discriminator_widths: vec![32, 64, 128],
            pool: 50,
        }
    }
}

impl CycleGanObjectiveConfig {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// Names the field, its value and the rule.
    pub fn validate(&self) -> Result<(), ModelError> {
        for (field, value) in [
            ("objective.cycle_weight", self.cycle_weight),
            ("objective.identity_weight", self.identity_weight),
        ] {
            if !(value.is_finite() && value >= 0.0) {
                let rule = "it must be at least 0".to_string();
                return Err(ModelError::Config { field, value: value.to_string(), rule });
            }
        }
        if self.pool > 10_000 {
            let rule = "it must be at most 10000".to_string();
            return Err(ModelError::Config { field: "objective.pool", value: self.pool.to_string(), rule });
        }
        PatchDiscriminator::check("objective.discriminator_widths", &self.discriminator_widths)
    }
}
