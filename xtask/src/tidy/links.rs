//! Links between pages lead somewhere.

use std::path::Path;

use regex::Regex;

use super::{Finding, House};

/// Every relative link of a Markdown page names a file or a folder that exists.
pub fn rule(house: &House) -> Vec<Finding> {
    let root = &house.metadata.workspace_root;
    let mut findings = Vec::new();
    for page in house.tree.markdown() {
        let folder = root.join(&page.path).parent().map(Path::to_path_buf).unwrap_or_default();
        for (line, target) in targets(&page.text) {
            if !folder.join(&target).exists() {
                findings.push(Finding::at(
                    &page.path,
                    line,
                    format!("links to `{target}`, which is not there"),
                ));
            }
        }
    }
    findings
}

/// Lines and the paths they link to; addresses on the web and places on the same page are left out.
fn targets(text: &str) -> Vec<(usize, String)> {
    let Ok(link) = Regex::new(r"\]\(([^)\s#]+)(#[^)]*)?\)") else { return Vec::new() };
    let links = text.lines().enumerate().flat_map(|(number, line)| {
        link.captures_iter(line).map(move |found| (number, found[1].to_string())).collect::<Vec<_>>()
    });
    links.filter(|(_, target)| !target.contains("://") && !target.starts_with("mailto:")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found_and_addresses_are_not() {
        let text = "[a](docs/a.md) [b](https://b.example)\n![c](c.png#left) [d](#d)";
        assert_eq!(targets(text), [(0, "docs/a.md".to_string()), (1, "c.png".to_string())]);
    }
}
