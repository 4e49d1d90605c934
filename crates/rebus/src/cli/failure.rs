//! An error on its way to the user: one paragraph, and the exit code.

use std::io;

use rebus_data::DataError;
use rebus_eval::EvalError;
use rebus_models::ModelError;
use rebus_nn::device::NoDevice;
use rebus_tasks::TaskError;
use rebus_train::TrainError;

/// Why a subcommand did not do what it was asked for.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Wrong usage or input: the user can put it right. Exit code 2.
    Input(miette::Report),
    /// The machine did not let us: a full disk, a folder without write permission. Exit code 1.
    Failed(miette::Report),
    /// Ctrl-C. Exit code 130.
    Interrupted,
}

impl Failure {
    /// Prints it and says the exit code.
    pub(crate) fn report(self) -> i32 {
        match self {
            Self::Input(report) => {
                eprintln!("Error: {report:#}");
                2
            }
            Self::Failed(report) => {
                eprintln!("Error: {report:#}");
                1
            }
            Self::Interrupted => {
                eprintln!("Interrupted; what was done is kept.");
                130
            }
        }
    }

    /// Wrong input that no library knows of.
    pub(crate) fn input(message: impl std::fmt::Display) -> Self {
        Self::Input(miette::miette!("{message}"))
    }

    /// By the kind of the I/O error inside, if there is one: a missing file is the user's to name, the rest is the
    /// machine's.
    fn of(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
        let mut kind = None;
        while let Some(error) = cause {
            if let Some(io) = error.downcast_ref::<io::Error>() {
                kind = Some(io.kind());
            }
            cause = error.source();
        }
        let machine = !matches!(kind, None | Some(io::ErrorKind::NotFound | io::ErrorKind::InvalidInput));
        let report = miette::Report::from_err(error);
        if machine { Self::Failed(report) } else { Self::Input(report) }
    }
}

impl From<ModelError> for Failure {
    fn from(error: ModelError) -> Self {
        match error {
            ModelError::Interrupted => Self::Interrupted,
            error => Self::of(error),
        }
    }
}

impl From<TaskError> for Failure {
    fn from(error: TaskError) -> Self {
        match error {
            TaskError::Model(error) => error.into(),
            error => Self::of(error),
        }
    }
}

macro_rules! plain {
    ($($error:ty),*) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::of(error)
            }
        }
    )*};
}

plain!(DataError, TrainError, EvalError, NoDevice, io::Error, serde_json::Error);
