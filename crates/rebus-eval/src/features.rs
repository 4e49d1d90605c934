//! Features of pictures, a row a picture: what every distance between two sets is measured on.

use std::{ops::Range, path::Path};

use crate::EvalError;

/// Finite numbers of one extractor, `[picture, feature]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Features {
    name: String,
    width: usize,
    data: Vec<f32>,
}

impl Features {
    /// Of rows one after another; `name` is what errors call them.
    ///
    /// # Errors
    /// A number is not finite.
    ///
    /// # Panics
    /// The width is 0, or the data are no whole number of rows.
    pub fn new(name: impl Into<String>, width: usize, data: Vec<f32>) -> Result<Self, EvalError> {
        assert!(width > 0 && data.len().is_multiple_of(width), "{} numbers in rows of {width}", data.len());
        let name = name.into();
        match data.iter().position(|value| !value.is_finite()) {
            Some(at) => {
                Err(EvalError::NotFinite { name, row: at / width, column: at % width, value: data[at] })
            }
            None => Ok(Self { name, width, data }),
        }
    }

    /// From a NumPy file of float32 or float64, `[picture, feature]`.
    ///
    /// # Errors
    /// The file is missing or something else, or a number in it is not finite.
    pub fn read_npy(path: &Path) -> Result<Self, EvalError> {
        let name = path.display().to_string();
        let broken = |reason: String| EvalError::BadFeatures { file: name.clone(), reason };
        let failed = |error: std::io::Error| broken(error.to_string());
        let bytes = fs_err::read(path)?;
        let file = npyz::NpyFile::new(&bytes[..]).map_err(failed)?;
        let by_columns = file.order() == npyz::Order::Fortran;
        let [_, width] = match *file.shape() {
            [rows, width] if rows > 0 && width > 0 => [rows, width],
            ref shape => return Err(broken(format!("its shape is {shape:?}, not [picture, feature]"))),
        };
        let width = usize::try_from(width).map_err(|error| broken(error.to_string()))?;
        let data = match file.try_data::<f32>() {
            Ok(values) => values.collect::<Result<Vec<_>, _>>().map_err(failed)?,
            Err(file) => {
                let kind = file.dtype().descr();
                let values = file.try_data::<f64>().map_err(|_| broken(format!("its numbers are {kind}")))?;
                values
                    .map(|value| value.map(|value| value as f32))
                    .collect::<Result<_, _>>()
                    .map_err(failed)?
            }
        };
        let data = if by_columns { in_rows(&data, width) } else { data };
        Self::new(name, width, data)
    }

    /// What errors call them.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many pictures.
    pub fn len(&self) -> usize {
        self.data.len() / self.width
    }

    /// Whether there is no picture.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// How many features a picture.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The features of one picture.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.data[row * self.width..][..self.width]
    }

    /// All numbers, row by row.
    pub(crate) fn data(&self) -> &[f32] {
        &self.data
    }

    /// Some of the rows, by their numbers.
    pub(crate) fn some(&self, rows: &[usize]) -> Self {
        let data = rows.iter().flat_map(|row| self.row(*row)).copied().collect();
        Self { name: self.name.clone(), width: self.width, data }
    }

    /// These rows and another set's after them.
    pub(crate) fn and(&self, other: &Self) -> Self {
        let data = self.data.iter().chain(&other.data).copied().collect();
        Self { name: self.name.clone(), width: self.width, data }
    }

    /// Rows in float64, one after another.
    pub(crate) fn rows(&self, rows: Range<usize>) -> Vec<f64> {
        self.data[rows.start * self.width..rows.end * self.width]
            .iter()
            .map(|value| f64::from(*value))
            .collect()
    }

    /// Rows by their numbers in float64, one after another.
    pub(crate) fn picked(&self, rows: &[usize]) -> Vec<f64> {
        rows.iter().flat_map(|row| self.row(*row)).map(|value| f64::from(*value)).collect()
    }

    /// That another set is of the same extractor.
    pub(crate) fn check_width(&self, real: &Self) -> Result<(), EvalError> {
        if self.width == real.width {
            return Ok(());
        }
        Err(EvalError::WidthsDiffer {
            drawn: self.name.clone(),
            drawn_width: self.width,
            real: real.name.clone(),
            real_width: real.width,
        })
    }

    /// That there are as many pictures as a measure needs.
    pub(crate) fn check_samples(&self, needed: usize, measure: &'static str) -> Result<(), EvalError> {
        if self.len() >= needed {
            return Ok(());
        }
        Err(EvalError::TooFewSamples { name: self.name.clone(), samples: self.len(), measure, needed })
    }
}

/// Columns one after another as rows one after another.
fn in_rows(columns: &[f32], width: usize) -> Vec<f32> {
    let rows = columns.len() / width;
    (0..rows).flat_map(|row| columns.iter().skip(row).step_by(rows).copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_become_rows() {
        assert_eq!(in_rows(&[1.0, 2.0, 3.0, 10.0, 20.0, 30.0], 2), [1.0, 10.0, 2.0, 20.0, 3.0, 30.0]);
    }
}
