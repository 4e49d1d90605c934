//! Words as a picture.

use cosmic_text::{
    Align as Side, Attrs, Buffer, Color, FontSystem, Metrics, Shaping, SwashCache, Wrap, fontdb,
};
use image::{Rgba, RgbaImage};

use super::scene::{Align, Layer};

/// The height of words where none is said.
const SIZE: f32 = 32.0;
/// From line to line, in heights.
const LINE: f32 = 1.2;

/// Why words cannot be written.
pub(super) enum NoWords {
    /// There is no font, or what was read is none.
    NoFont,
    /// Letters that no font has.
    Missing(String),
}

/// Words in one colour on nothing, as large as they are; `fonts` are files, of which the first that has a letter draws it.
pub(super) fn written(
    text: &str,
    layer: &Layer,
    fill: [u8; 4],
    fonts: &[Vec<u8>],
) -> Result<RgbaImage, NoWords> {
    let mut fonts_known = fontdb::Database::new();
    fonts.iter().for_each(|font| fonts_known.load_font_data(font.clone()));
    let family = fonts_known.faces().next().and_then(|face| face.families.first());
    let family = family.map(|(name, _)| name.clone()).ok_or(NoWords::NoFont)?;
    // Always the same, wherever the scene is drawn.
    let mut system = FontSystem::new_with_locale_and_db("en-US".to_string(), fonts_known);
    let size = layer.size.unwrap_or(SIZE);
    let mut buffer = Buffer::new(&mut system, Metrics::new(size, size * LINE));
    buffer.set_wrap(if layer.max_width.is_some() { Wrap::WordOrGlyph } else { Wrap::None });
    let side = layer.align.map(|align| match align {
        Align::Left => Side::Left,
        Align::Center => Side::Center,
        Align::Right => Side::Right,
    });
    let attributes = Attrs::new().family(cosmic_text::Family::Name(&family));
    // Once to know how wide it is, and again so that lines can keep to a side of that.
    let mut lay_out = |buffer: &mut Buffer, width: Option<f32>| {
        buffer.set_size(width, None);
        buffer.set_text(text, &attributes, Shaping::Advanced, side);
        buffer.shape_until_scroll(&mut system, false);
        let widest = buffer.layout_runs().map(|run| run.line_w).fold(0.0, f32::max);
        (widest.ceil().max(1.0), buffer.layout_runs().count())
    };
    let (widest, _) = lay_out(&mut buffer, layer.max_width);
    let (width, lines) = lay_out(&mut buffer, Some(widest));
    let missing: String = buffer
        .layout_runs()
        .flat_map(|run| {
            let lost = run.glyphs.iter().filter(|glyph| glyph.glyph_id == 0);
            lost.map(|glyph| run.text[glyph.start..glyph.end].to_string()).collect::<Vec<_>>()
        })
        .collect();
    if !missing.trim().is_empty() {
        return Err(NoWords::Missing(missing));
    }
    let height = (lines.max(1) as f32 * size * LINE).ceil();
    let mut picture = RgbaImage::new(width as u32, height as u32);
    let [red, green, blue, alpha] = fill;
    let mut cache = SwashCache::new();
    buffer.draw(
        &mut system,
        &mut cache,
        Color::rgba(red, green, blue, alpha),
        |x, y, across, down, color| {
            for (x, y) in (x..x + across as i32).flat_map(|x| (y..y + down as i32).map(move |y| (x, y))) {
                let inside = u32::try_from(x).ok().zip(u32::try_from(y).ok());
                if let Some(pixel) = inside.and_then(|(x, y)| picture.get_pixel_mut_checked(x, y)) {
                    // Glyphs may touch: the stronger stays.
                    if color.a() > pixel[3] {
                        *pixel = Rgba([color.r(), color.g(), color.b(), color.a()]);
                    }
                }
            }
        },
    );
    Ok(picture)
}
