//! No file is longer than one thought needs.

use super::{Finding, House};

/// Around 300 lines is comfortable; past this many, look for the second thought.
const LIMIT: usize = 500;

/// Files that may be longer, each with the reason.
const LONGER: &[(&str, &str)] = &[];

/// No Rust file has more than 500 lines, save those with a reason; no reason outlives its need.
pub fn rule(house: &House) -> Vec<Finding> {
    let lengths: Vec<(&str, usize)> =
        house.tree.rust().map(|file| (file.path.as_str(), file.text.lines().count())).collect();
    check(&lengths, LONGER)
}

fn check(lengths: &[(&str, usize)], longer: &[(&str, &str)]) -> Vec<Finding> {
    let excepted = |path: &str| longer.iter().any(|(excepted, _)| *excepted == path);
    let too_long = lengths.iter().filter(|(path, lines)| *lines > LIMIT && !excepted(path));
    let too_long = too_long.map(|(path, lines)| {
        Finding::new(*path, format!("{lines} lines, more than {LIMIT}: find the second thought in it"))
    });
    let needed = |path: &str| lengths.iter().any(|(long, lines)| *long == path && *lines > LIMIT);
    let stale = longer.iter().filter(|(path, _)| !needed(path));
    let stale =
        stale.map(|(path, _)| Finding::new(*path, "needs no exception to the length any more: take it out"));
    too_long.chain(stale).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_files_and_stale_exceptions_are_found() {
        let lengths = [("a.rs", 500), ("b.rs", 501), ("c.rs", 900)];
        assert_eq!(check(&lengths, &[("b.rs", "a table"), ("c.rs", "a table")]), []);
        let places: Vec<String> = check(&lengths, &[("a.rs", "a table"), ("c.rs", "a table")])
            .into_iter()
            .map(|found| found.place)
            .collect();
        assert_eq!(places, ["b.rs", "a.rs"]);
    }
}
