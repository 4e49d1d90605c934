//! An error on its way to the user: one paragraph, and the exit code.

use std::io;

use rebus_data::DataError;
use rebus_eval::EvalError;
use rebus_models::ModelError;
use rebus_nn::device::NoDevice;
use rebus_store::StoreError;
use rebus_tasks::TaskError;
use rebus_train::TrainError;

use super::say;

/// What Ctrl-C leaves, as a rule.
pub(crate) const KEPT: &str = "what was done is kept";

/// Why a subcommand did not do what it was asked for.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Wrong usage or input: the user can put it right. Exit code 2.
    Input(miette::Report),
    /// The machine did not let us: a full disk, a folder without write permission. Exit code 1.
    Failed(miette::Report),
    /// Ctrl-C, and what is left of the work. Exit code 130.
    Interrupted(&'static str),
    /// Who reads our output has had enough. Exit code 0.
    Closed,
}

impl Failure {
    /// Prints it and says the exit code.
    pub(crate) fn report(self) -> i32 {
        match self {
            Self::Input(report) => {
                say::always(format_args!("Error: {}", say::harmless(&format!("{report:#}"))));
                2
            }
            Self::Failed(report) => {
                say::always(format_args!("Error: {}", say::harmless(&format!("{report:#}"))));
                1
            }
            Self::Interrupted(left) => {
                say::always(format_args!("Interrupted; {left}."));
                130
            }
            Self::Closed => 0,
        }
    }

    /// What went wrong, for work that goes on without; nothing where it was stopped.
    pub(crate) fn reason(&self) -> Option<String> {
        match self {
            Self::Input(report) | Self::Failed(report) => Some(format!("{report:#}")),
            Self::Interrupted(_) | Self::Closed => None,
        }
    }

    /// Wrong input that no library knows of.
    pub(crate) fn input(message: impl std::fmt::Display) -> Self {
        Self::Input(miette::miette!("{message}"))
    }

    /// By the kind of the I/O error inside, if there is one: a path that is not there is the user's to name, the rest
    /// is the machine's.
    fn of(error: impl std::error::Error + Send + Sync + 'static, io: Option<io::ErrorKind>) -> Self {
        use io::ErrorKind::{AlreadyExists, InvalidInput, IsADirectory, NotADirectory, NotFound};
        if io == Some(io::ErrorKind::BrokenPipe) {
            return Self::Closed;
        }
        let report = match io.and_then(way_out) {
            Some(way_out) => miette::miette!("{error}. {way_out}"),
            None => miette::Report::from_err(error),
        };
        match io {
            None | Some(AlreadyExists | NotFound | NotADirectory | IsADirectory | InvalidInput) => {
                Self::Input(report)
            }
            Some(_) => Self::Failed(report),
        }
    }
}

/// What to do about an I/O error, which says what could not be done and where, but not this.
fn way_out(kind: io::ErrorKind) -> Option<&'static str> {
    use io::ErrorKind::{
        AlreadyExists, FileTooLarge, NotADirectory, NotFound, PermissionDenied, QuotaExceeded,
        ReadOnlyFilesystem, StorageFull,
    };
    match kind {
        NotFound | NotADirectory => Some("Check the path, or name another"),
        AlreadyExists => Some("A file stands where a folder is wanted: name another place, or move it away"),
        PermissionDenied | ReadOnlyFilesystem => Some("Name another place, or change its permissions"),
        StorageFull | QuotaExceeded | FileTooLarge => {
            Some("Make room, or name another place; what had been written before is whole")
        }
        _ => None,
    }
}

fn in_data(error: &DataError) -> Option<io::ErrorKind> {
    match error {
        DataError::Io(error) | DataError::Write { source: error, .. } => Some(error.kind()),
        _ => None,
    }
}

fn in_model(error: &ModelError) -> Option<io::ErrorKind> {
    match error {
        ModelError::Io(error) => Some(error.kind()),
        ModelError::Data(error) => in_data(error),
        _ => None,
    }
}

impl From<DataError> for Failure {
    fn from(error: DataError) -> Self {
        let io = in_data(&error);
        match error {
            DataError::Interrupted => Self::Interrupted("nothing was written"),
            error => Self::of(error, io),
        }
    }
}

impl From<ModelError> for Failure {
    fn from(error: ModelError) -> Self {
        let io = in_model(&error);
        match error {
            ModelError::Interrupted => Self::Interrupted(KEPT),
            error => Self::of(error, io),
        }
    }
}

impl From<TaskError> for Failure {
    fn from(error: TaskError) -> Self {
        match error {
            TaskError::Model(error) => error.into(),
            TaskError::Data(error) => error.into(),
            TaskError::Io(error) => error.into(),
            TaskError::Store(error) => error.into(),
            error => Self::of(error, None),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Io(error) => error.into(),
            StoreError::Data(error) => error.into(),
            error @ (StoreError::Locked { .. } | StoreError::Database { .. } | StoreError::Vectors(_)) => {
                Self::Failed(miette::Report::from_err(error))
            }
            error => Self::Input(miette::Report::from_err(error)),
        }
    }
}

impl From<TrainError> for Failure {
    fn from(error: TrainError) -> Self {
        match error {
            TrainError::Model(error) => error.into(),
            TrainError::Data(error) => error.into(),
            TrainError::Io(error) => error.into(),
            // Neither usage nor input is wrong as such.
            error @ TrainError::NotFinite { .. } => Self::Failed(miette::Report::from_err(error)),
            error => Self::of(error, None),
        }
    }
}

impl From<EvalError> for Failure {
    fn from(error: EvalError) -> Self {
        match error {
            EvalError::Model(error) => error.into(),
            EvalError::Store(error) => error.into(),
            EvalError::Data(error) => error.into(),
            EvalError::Io(error) => error.into(),
            error => Self::of(error, None),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let io = Some(error.kind());
        Self::of(error, io)
    }
}

impl From<NoDevice> for Failure {
    fn from(error: NoDevice) -> Self {
        Self::of(error, None)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::of(error, None)
    }
}
