//! Pictures of items, read from where they lie; a collection is opened once.

use std::{
    collections::{HashMap, hash_map},
    path::Path,
    sync::Arc,
};

use image::DynamicImage;
use rebus_data::{Collection, DataConfig, DataError, file_record, main_pictures, picture::decode};
use rebus_store::Item;

use crate::TaskError;

/// Reads the pictures of items.
#[derive(Default)]
pub struct Shelf {
    collections: HashMap<String, Opened>,
}

struct Opened {
    collection: Arc<dyn Collection>,
    /// The records by key.
    numbers: HashMap<String, usize>,
    /// The column of pictures.
    column: String,
}

impl Shelf {
    /// One that has opened nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The picture of an item.
    ///
    /// # Errors
    /// Its file is gone, or has no picture any more.
    pub fn picture(&mut self, item: &Item) -> Result<DynamicImage, TaskError> {
        let no_picture =
            |column: &str| DataError::NoPicture { key: item.path.clone(), column: column.to_string() };
        let (record, column) = match item.container.is_empty() {
            true => (file_record(&item.path)?, "image"),
            false => {
                let opened = self.opened(&item.container)?;
                let key = item.path.strip_prefix(&item.container).unwrap_or_default().trim_start_matches('#');
                let gone =
                    || DataError::MissingFile { name: key.to_string(), place: item.container.clone().into() };
                let number = *opened.numbers.get(key).ok_or_else(gone)?;
                (opened.collection.record(number)?, opened.column.as_str())
            }
        };
        let file = record.picture(column).ok_or_else(|| no_picture(column))?;
        Ok(decode(file, DataConfig::default().max_pixels)?)
    }

    fn opened(&mut self, container: &str) -> Result<&Opened, TaskError> {
        match self.collections.entry(container.to_string()) {
            hash_map::Entry::Occupied(there) => Ok(there.into_mut()),
            hash_map::Entry::Vacant(place) => {
                let collection = rebus_data::open(Path::new(container), &Default::default())?;
                let key = |number| Some((collection.captions(number).ok()?.key, number));
                let numbers = (0..collection.len()).filter_map(key).collect();
                let column = main_pictures(collection.columns()).map(|column| column.name.clone());
                Ok(place.insert(Opened { collection, numbers, column: column.unwrap_or_default() }))
            }
        }
    }
}
