//! A classifier that says what drawings show.

use std::{collections::HashMap, sync::Arc};

use rebus_data::Pictures;
use rebus_models::{Classify, Model, ModelError, registry::able};

use crate::{EvalError, extractor::bring};

/// A classifier, and the column of a collection in which the right answers stand.
#[derive(Clone)]
pub struct Judge {
    model: Arc<dyn Model>,
    column: String,
    numbers: HashMap<String, usize>,
}

impl Judge {
    /// Of a model.
    ///
    /// # Errors
    /// The model does not classify.
    pub fn new(model: Arc<dyn Model>, column: impl Into<String>) -> Result<Self, EvalError> {
        let mut judge = Self { model, column: column.into(), numbers: HashMap::new() };
        judge.numbers = judge.classifier()?.classes().iter().cloned().zip(0..).collect();
        Ok(judge)
    }

    /// The column with the names of classes.
    pub fn column(&self) -> &str {
        &self.column
    }

    fn classifier(&self) -> Result<&dyn Classify, EvalError> {
        let lacks = || ModelError::Lacks {
            family: self.model.info().family.clone(),
            verb: "classify",
            able: able("classify"),
        };
        Ok(self.model.classify().ok_or_else(lacks)?)
    }

    /// The number of a class.
    pub(crate) fn number(&self, name: &str) -> Option<usize> {
        self.numbers.get(name).copied()
    }

    /// The likeliest class of each picture.
    pub(crate) fn judge(&self, pictures: &Pictures) -> Result<Vec<usize>, EvalError> {
        let classifier = self.classifier()?;
        let pictures = bring(pictures, classifier.picture_shape())?;
        let logits = classifier.classify(&pictures)?;
        let likeliest = |row: &[f32]| {
            let best = row.iter().enumerate().max_by(|(_, a), (_, b)| a.total_cmp(b));
            best.map_or(0, |(class, _)| class)
        };
        Ok(logits.chunks(classifier.classes().len()).map(likeliest).collect())
    }
}
