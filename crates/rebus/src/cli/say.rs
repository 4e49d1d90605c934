//! What the program says: results on standard output, everything else on standard error.
//!
//! Neither may end the program by a panic: who closes standard output has seen enough, and work goes on where nobody
//! listens on standard error.

use std::{
    fmt,
    io::{self, Write},
    sync::atomic::Ordering,
};

use super::progress::QUIET;

/// Text of a result.
pub(crate) fn text(text: fmt::Arguments<'_>) -> io::Result<()> {
    let mut output = io::stdout().lock();
    output.write_fmt(text)?;
    output.flush()
}

/// A line for a person; nothing with `--quiet`.
pub(crate) fn aside(line: fmt::Arguments<'_>) {
    if !QUIET.load(Ordering::Relaxed) {
        always(line);
    }
}

/// A line for a person, with `--quiet` too.
pub(crate) fn always(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// What may be quoted from a broken file, with control characters that do nothing to the terminal.
pub(crate) fn harmless(message: &str) -> String {
    let shown = |letter: char| match letter {
        '\n' => "\n".to_string(),
        letter if letter.is_control() => letter.escape_default().to_string(),
        letter => letter.to_string(),
    };
    message.chars().map(shown).collect()
}

/// A line of a result.
macro_rules! out {
    ($($what:tt)*) => { $crate::cli::say::text(format_args!("{}\n", format_args!($($what)*)))? };
}

/// A line for a person.
macro_rules! tell {
    ($($what:tt)*) => { $crate::cli::say::aside(format_args!($($what)*)) };
}

pub(crate) use {out, tell};
