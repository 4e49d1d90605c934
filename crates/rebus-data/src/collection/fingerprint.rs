//! The hash that tells whether a collection is the one a run began with.

use crate::{Collection, DataError, Field};

/// Hashes the keys and texts of all records in order, and whatever `size` gives for a record's pictures.
///
/// Every part is preceded by its length, so that no two collections run together into the same bytes.
///
/// # Errors
/// A record's captions cannot be read.
pub(crate) fn fingerprint(
    collection: &dyn Collection,
    mut size: impl FnMut(usize) -> u64,
) -> Result<String, DataError> {
    let mut hasher = blake3::Hasher::new();
    for index in 0..collection.len() {
        let record = collection.captions(index)?;
        part(&mut hasher, record.key.as_bytes());
        for (name, field) in &record.fields {
            part(&mut hasher, name.as_bytes());
            match field {
                Field::Text(text) => part(&mut hasher, text.as_bytes()),
                Field::List(items) => {
                    number(&mut hasher, items.len() as u64);
                    items.iter().for_each(|item| part(&mut hasher, item.as_bytes()));
                }
                Field::Integer(value) => number(&mut hasher, *value as u64),
                Field::Real(value) => number(&mut hasher, value.to_bits()),
                Field::Boolean(value) => number(&mut hasher, u64::from(*value)),
                Field::Json(value) => part(&mut hasher, value.to_string().as_bytes()),
                Field::Picture(file) | Field::File(file) => number(&mut hasher, file.bytes.len() as u64),
            }
        }
        number(&mut hasher, size(index));
    }
    Ok(hasher.finalize().to_hex().to_string())
}

fn part(hasher: &mut blake3::Hasher, bytes: &[u8]) {
    number(hasher, bytes.len() as u64);
    hasher.update(bytes);
}

fn number(hasher: &mut blake3::Hasher, value: u64) {
    hasher.update(&value.to_le_bytes());
}
