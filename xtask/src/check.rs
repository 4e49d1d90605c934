//! All checks in a row, cheapest first, each with its time.

use std::{ffi::OsString, path::Path, process, time::Instant};

use crate::tidy;

/// What `check` runs.
enum Stage {
    /// A command of cargo with its arguments, and variables of the environment.
    Cargo {
        name: &'static str,
        arguments: &'static [&'static str],
        environment: &'static [(&'static str, &'static str)],
    },
    /// The rules of the house, in this process.
    Tidy,
}

const STAGES: &[Stage] = &[
    Stage::Cargo { name: "format", arguments: &["fmt", "--all", "--check"], environment: &[] },
    Stage::Tidy,
    Stage::Cargo {
        name: "clippy",
        arguments: &[
            "clippy",
            "--workspace",
            "--all-targets",
            "--features",
            "postgres",
            "--",
            "-D",
            "warnings",
        ],
        environment: &[],
    },
    // Before the tests: it needs no more of the dependencies than clippy made already.
    Stage::Cargo {
        name: "docs",
        arguments: &["doc", "--no-deps", "--workspace", "--features", "postgres"],
        environment: &[("RUSTDOCFLAGS", "-D warnings")],
    },
    Stage::Cargo {
        name: "tests",
        arguments: &["test", "--workspace", "--features", "postgres"],
        environment: &[],
    },
];

/// Runs the stages in order and stops at the first that fails.
pub fn run(root: &Path) -> bool {
    let start = Instant::now();
    for stage in STAGES {
        let name = stage.name();
        eprintln!("== {name}");
        let stage_start = Instant::now();
        if let Err(reason) = stage.run(root) {
            eprintln!(
                "== check FAILED at {name} after {:.1} s: {reason}",
                stage_start.elapsed().as_secs_f64()
            );
            return false;
        }
        eprintln!("== {name} passed in {:.1} s", stage_start.elapsed().as_secs_f64());
    }
    eprintln!("== check passed in {:.1} s", start.elapsed().as_secs_f64());
    true
}

impl Stage {
    fn name(&self) -> &'static str {
        match self {
            Self::Cargo { name, .. } => name,
            Self::Tidy => "tidy",
        }
    }

    fn run(&self, root: &Path) -> Result<(), String> {
        let (arguments, environment) = match self {
            Self::Cargo { arguments, environment, .. } => (*arguments, *environment),
            Self::Tidy if tidy::run(root) => return Ok(()),
            Self::Tidy => return Err("the findings stand above".to_string()),
        };
        let mut command = process::Command::new(cargo());
        command.args(arguments).envs(environment.iter().copied()).current_dir(root);
        let shown = format!("cargo {}", arguments.join(" "));
        match command.status() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("`{shown}` ended with {status}")),
            Err(error) => Err(format!("`{shown}` did not start: {error}")),
        }
    }
}

/// The cargo that started this program.
pub fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}
