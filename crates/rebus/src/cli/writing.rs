//! Where pictures go, and what is said of them: the options of every command that makes some.

use std::path::{Path, PathBuf};

use fs_err as fs;
use image::DynamicImage;
use rebus_data::{PngExtras, contact_sheet, write_png};
use rebus_tasks::{Made, Output, PictureName, TaskError};
use serde::Serialize;

use super::{failure::Failure, say::out};

/// Options of commands that make pictures.
#[derive(Debug, clap::Args)]
pub(crate) struct Writing {
    /// A folder, where nothing is overwritten, or a .png for a single picture.
    #[arg(short, long, default_value = "rebus-out", value_name = "PATH")]
    output: PathBuf,
    /// Also write all pictures on one sheet.
    #[arg(long, value_name = "FILE")]
    sheet: Option<PathBuf>,
    /// Print what was made as JSON.
    #[arg(long)]
    json: bool,
    /// Leave out of the pictures' files how they were made; else `rebus show` tells it.
    #[arg(long)]
    no_metadata: bool,
}

/// Pictures on their way to files.
pub(crate) struct Written<'a> {
    options: &'a Writing,
    output: Output,
    lines: Vec<serde_json::Value>,
    sheet: Vec<DynamicImage>,
}

impl Writing {
    /// For so many pictures. Whatever cannot be written is found out now.
    pub(crate) fn begin(&self, count: usize) -> Result<Written<'_>, Failure> {
        let output = Output::resolve(&self.output, count)?;
        self.sheet.as_deref().map(sheet_file).transpose()?;
        Ok(Written { options: self, output, lines: vec![], sheet: vec![] })
    }
}

/// A picture, and what its file is called after.
pub(crate) struct Finished<'a> {
    pub(crate) picture: &'a DynamicImage,
    pub(crate) name: PictureName<'a>,
    pub(crate) made: &'a Made,
    /// The ICC profile of the picture that it was made of.
    pub(crate) color_profile: Option<&'a [u8]>,
    /// What is printed behind its path.
    pub(crate) said: &'a str,
}

impl Written<'_> {
    /// Writes a picture, and says where. `line` is what JSON says of it besides its file.
    pub(crate) fn picture(
        &mut self,
        finished: Finished<'_>,
        line: impl Serialize,
    ) -> Result<PathBuf, TaskError> {
        let Finished { picture, name, made, color_profile, said } = finished;
        let texts = self.texts(picture, made)?;
        let file = self.output.write(picture, name, PngExtras { texts: &texts, color_profile })?;
        if !self.options.json {
            let gap = if said.is_empty() { "" } else { "   " };
            out!("{}{gap}{said}", file.display());
        }
        let mut line = serde_json::to_value(line).unwrap_or_default();
        line["file"] = serde_json::json!(file);
        self.lines.push(line);
        self.on_sheet(picture.clone());
        Ok(file)
    }

    /// Writes a picture in the place of one that was written here before.
    pub(crate) fn replace(&self, file: &Path, picture: &DynamicImage, made: &Made) -> Result<(), TaskError> {
        write_png(file, picture, &self.texts(picture, made)?[..])?;
        if !self.options.json {
            out!("{}", file.display());
        }
        Ok(())
    }

    /// What a picture's file says of it.
    fn texts(&self, picture: &DynamicImage, made: &Made) -> Result<Vec<(String, String)>, TaskError> {
        Ok(match self.options.no_metadata {
            true => vec![],
            false => made.chunks([picture.width(), picture.height()])?,
        })
    }

    /// Another picture for the sheet alone.
    pub(crate) fn on_sheet(&mut self, picture: DynamicImage) {
        if self.options.sheet.is_some() {
            self.sheet.push(picture);
        }
    }

    /// Writes the sheet, and says all as JSON, if that was asked for; `more` is what JSON says besides the pictures.
    pub(crate) fn finish(self, per_row: usize, more: serde_json::Value) -> Result<(), Failure> {
        if let Some(sheet) = &self.options.sheet {
            write_sheet(sheet, &self.sheet, per_row)?;
        }
        if self.options.json {
            let mut said = if more.is_object() { more } else { serde_json::json!({}) };
            said["pictures"] = serde_json::Value::Array(self.lines);
            out!("{}", serde_json::to_string_pretty(&said)?);
        }
        Ok(())
    }
}

/// Refuses a place for a sheet that is no PNG's name, or where something else than an earlier sheet is.
pub(crate) fn sheet_file(sheet: &Path) -> Result<(), Failure> {
    png_file(sheet)?;
    if !is_sheet(sheet) {
        Output::resolve(sheet, 1)?;
    }
    Ok(())
}

/// Refuses a name that is no PNG's.
pub(crate) fn png_file(file: &Path) -> Result<(), Failure> {
    match file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png")) {
        true => Ok(()),
        false => {
            Err(Failure::input(format!("{}: a sheet is a PNG, so its name must end in .png", file.display())))
        }
    }
}

/// All pictures on one sheet, a row a prompt where several of each were drawn.
pub(crate) fn write_sheet(file: &Path, images: &[DynamicImage], per_row: usize) -> Result<(), Failure> {
    let columns = if per_row > 1 { per_row } else { images.len().clamp(1, 8) };
    let mark = ("Software".to_string(), SHEET.to_string());
    write_png(file, &contact_sheet(images, columns, 4, "white")?.into(), &[mark])?;
    Ok(())
}

/// What a sheet's file says of itself.
const SHEET: &str = "rebus sheet";

/// Whether a file is a sheet of an earlier drawing, which a new one may replace.
fn is_sheet(file: &Path) -> bool {
    fs::read(file).is_ok_and(|bytes| bytes.windows(SHEET.len()).any(|part| part == SHEET.as_bytes()))
}
