//! How a layer comes together with what is below it.

use serde::{Deserialize, Serialize};
use tiny_skia::{BlendMode, ColorU8, Pixmap, PremultipliedColorU8};

/// The ways of the W3C's Compositing and Blending Level 1, and three that leave no seam; colours are those of sRGB as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Blend {
    /// Over what is below.
    #[default]
    #[serde(alias = "normal")]
    Alpha,
    /// The product: never brighter.
    Multiply,
    /// The product of what is missing to white: never darker.
    Screen,
    /// Multiply where it is dark below, screen where it is bright.
    Overlay,
    /// The darker.
    Darken,
    /// The brighter.
    Lighten,
    /// Below, brightened.
    ColorDodge,
    /// Below, darkened.
    ColorBurn,
    /// Multiply where the layer is dark, screen where it is bright.
    HardLight,
    /// The same, softer.
    SoftLight,
    /// The difference.
    Difference,
    /// The same with less contrast.
    Exclusion,
    /// The hue of the layer, the rest from below.
    Hue,
    /// The saturation of the layer, the rest from below.
    Saturation,
    /// Hue and saturation of the layer, the brightness from below.
    Color,
    /// The brightness of the layer, the rest from below.
    Luminosity,
    /// The gradients of the layer over the colours around it, so that no seam is to be seen (Pérez et al. 2003).
    Poisson,
    /// The same with the stronger of both gradients at each place: what is below shows through what is even in the layer.
    PoissonMixed,
    /// Over what is below, and then its edge drawn anew by a model, with what is on both sides of it.
    Harmonize,
}

impl Blend {
    /// Puts a layer that lies where it belongs over what is below it, for what looks at whole colours.
    pub(super) fn draw(self, canvas: &mut Pixmap, layer: &Pixmap) {
        for (below, layer) in canvas.pixels_mut().iter_mut().zip(layer.pixels()) {
            if layer.alpha() > 0 {
                *below = self.of_colors(*below, *layer);
            }
        }
    }

    /// The way of the library, for what goes channel by channel.
    pub(super) fn of_each_channel(self) -> Option<BlendMode> {
        Some(match self {
            Self::Alpha | Self::Harmonize => BlendMode::SourceOver,
            Self::Multiply => BlendMode::Multiply,
            Self::Screen => BlendMode::Screen,
            Self::Overlay => BlendMode::Overlay,
            Self::Darken => BlendMode::Darken,
            Self::Lighten => BlendMode::Lighten,
            Self::ColorDodge => BlendMode::ColorDodge,
            Self::ColorBurn => BlendMode::ColorBurn,
            Self::HardLight => BlendMode::HardLight,
            Self::SoftLight => BlendMode::SoftLight,
            Self::Difference => BlendMode::Difference,
            Self::Exclusion => BlendMode::Exclusion,
            // Those of tiny-skia 0.12 do not clip what is below 0.
            Self::Hue | Self::Saturation | Self::Color | Self::Luminosity => return None,
            Self::Poisson | Self::PoissonMixed => return None,
        })
    }

    /// Of whole colours (section 10.2), and over what is below (section 5.1).
    fn of_colors(self, below: PremultipliedColorU8, layer: PremultipliedColorU8) -> PremultipliedColorU8 {
        let parts = |color: PremultipliedColorU8| {
            let color = color.demultiply();
            let channels = [color.red(), color.green(), color.blue()].map(|value| f32::from(value) / 255.0);
            (channels, f32::from(color.alpha()) / 255.0)
        };
        let ((behind, behind_alpha), (color, alpha)) = (parts(below), parts(layer));
        let blended = match self {
            Self::Hue => with_luminosity(with_saturation(color, saturation(behind)), luminosity(behind)),
            Self::Saturation => {
                with_luminosity(with_saturation(behind, saturation(color)), luminosity(behind))
            }
            Self::Luminosity => with_luminosity(behind, luminosity(color)),
            _ => with_luminosity(color, luminosity(behind)),
        };
        let whole = alpha + behind_alpha * (1.0 - alpha);
        let mixed: [f32; 3] = std::array::from_fn(|channel| {
            let over = color[channel] * (1.0 - behind_alpha) + blended[channel] * behind_alpha;
            (over * alpha + behind[channel] * behind_alpha * (1.0 - alpha)) / whole
        });
        let [red, green, blue] = mixed.map(|value| (value * 255.0).round() as u8);
        ColorU8::from_rgba(red, green, blue, (whole * 255.0).round() as u8).premultiply()
    }
}

fn luminosity([red, green, blue]: [f32; 3]) -> f32 {
    0.3 * red + 0.59 * green + 0.11 * blue
}

fn saturation(color: [f32; 3]) -> f32 {
    most(color) - least(color)
}

fn least(color: [f32; 3]) -> f32 {
    color.into_iter().fold(f32::INFINITY, f32::min)
}

fn most(color: [f32; 3]) -> f32 {
    color.into_iter().fold(f32::NEG_INFINITY, f32::max)
}

/// The colour with another luminosity, brought back to where colours are without changing that.
fn with_luminosity(color: [f32; 3], wanted: f32) -> [f32; 3] {
    let more = wanted - luminosity(color);
    let color = color.map(|value| value + more);
    let (least, most) = (least(color), most(color));
    let color = match least < 0.0 {
        true => color.map(|value| wanted + (value - wanted) * wanted / (wanted - least)),
        false => color,
    };
    match most > 1.0 {
        true => color.map(|value| wanted + (value - wanted) * (1.0 - wanted) / (most - wanted)),
        false => color,
    }
}

/// The colour with another saturation; grey has none to change.
fn with_saturation(color: [f32; 3], wanted: f32) -> [f32; 3] {
    let (least, saturation) = (least(color), saturation(color));
    match saturation > 0.0 {
        true => color.map(|value| (value - least) * wanted / saturation),
        false => [0.0; 3],
    }
}
