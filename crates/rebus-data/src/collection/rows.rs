//! Rows of a Parquet file, decoded as far as columns are asked for.

use std::path::Path;

use arrow_array::RecordBatch;
use parquet::arrow::{
    ProjectionMask,
    arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReaderBuilder},
};

use super::{
    cells,
    files::{is_picture, is_picture_content},
};
use crate::DataError;

/// So many rows of a group tell what its files are.
const FIRST_ROWS: usize = 16;

/// Rows of one group.
pub(crate) struct Rows {
    pub(crate) group: usize,
    /// Rows of the group before them.
    pub(crate) skip: usize,
    pub(crate) count: usize,
}

/// Some columns of some rows.
///
/// # Errors
/// The file is gone or broken.
pub(crate) fn decode(
    path: &Path,
    metadata: &ArrowReaderMetadata,
    columns: impl IntoIterator<Item = usize>,
    rows: Rows,
) -> Result<Vec<RecordBatch>, DataError> {
    let fail = |error: parquet::errors::ParquetError| broken(path, error);
    let mask = ProjectionMask::roots(metadata.parquet_schema(), columns);
    let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file(path)?, metadata.clone())
        .with_row_groups(vec![rows.group])
        .with_projection(mask)
        .with_offset(rows.skip)
        .with_limit(rows.count)
        .with_batch_size(rows.count.min(1024))
        .build()
        .map_err(fail)?;
    reader.collect::<Result<_, _>>().map_err(|error| fail(error.into()))
}

/// Whether the first files of a column are pictures, by their content or their names; `None` where none can be read.
pub(crate) fn holds_pictures(path: &Path, metadata: &ArrowReaderMetadata, column: usize) -> Option<bool> {
    for group in 0..metadata.metadata().num_row_groups() {
        let batches = decode(path, metadata, [column], Rows { group, skip: 0, count: FIRST_ROWS }).ok()?;
        let cells = batches.iter().flat_map(|batch| {
            (0..batch.num_rows()).filter_map(|row| cells::file(&**batch.columns().first()?, row))
        });
        let seen: Vec<bool> = cells.filter_map(|cell| is_picture_cell(&cell)).collect();
        if !seen.is_empty() {
            return Some(seen.contains(&true));
        }
    }
    None
}

/// Whether a file is a picture that can be decoded, `None` where it has neither bytes nor a name.
fn is_picture_cell(cell: &cells::FileCell<'_>) -> Option<bool> {
    let bytes = cell.bytes.filter(|bytes| !bytes.is_empty());
    if bytes.is_none() && cell.path.is_none() {
        return None;
    }
    Some(cell.path.is_some_and(is_picture) || bytes.is_some_and(is_picture_content))
}

/// Opens a file.
///
/// # Errors
/// It is gone, or may not be read.
pub(crate) fn file(path: &Path) -> Result<std::fs::File, DataError> {
    Ok(fs_err::File::open(path)?.into_parts().0)
}

/// The error of a file that is no Parquet, or a broken one.
pub(crate) fn broken(path: &Path, error: parquet::errors::ParquetError) -> DataError {
    DataError::BrokenContainer { file: path.to_path_buf(), format: "Parquet", reason: error.to_string() }
}
