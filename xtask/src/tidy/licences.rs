//! Every dependency may be used: its licence is in the list of `deny.toml`.

use serde::Deserialize;
use spdx::{Expression, LicenseReq, ParseMode};

use super::{Finding, House};

/// `deny.toml`, as far as it is about licences.
#[derive(Deserialize)]
struct Deny {
    licenses: Licenses,
}

#[derive(Deserialize)]
struct Licenses {
    allow: Vec<String>,
    #[serde(default)]
    exceptions: Vec<Exception>,
    #[serde(default)]
    clarify: Vec<Clarify>,
}

/// Licences that one crate may have besides.
#[derive(Deserialize)]
struct Exception {
    #[serde(rename = "crate")]
    name: String,
    allow: Vec<String>,
}

/// The licence of a crate whose Cargo.toml does not say it.
#[derive(Deserialize)]
struct Clarify {
    #[serde(rename = "crate")]
    name: String,
    expression: String,
}

/// The licence expression of every crate, for every feature and platform, is met by what `deny.toml` allows.
pub fn rule(house: &House) -> Vec<Finding> {
    let deny = house.tree.text("deny.toml").ok_or_else(|| "is not there".to_string());
    let deny = deny.and_then(|text| toml::from_str::<Deny>(text).map_err(|error| error.to_string()));
    let licenses = match deny {
        Ok(deny) => deny.licenses,
        Err(reason) => return vec![Finding::new("deny.toml", reason)],
    };
    let packages = house.metadata.packages.iter();
    let wrong = packages.filter_map(|package| {
        let reason = licenses.refuse(&package.name, package.license.as_deref())?;
        Some(Finding::new(format!("{} {}", package.name, package.version), reason))
    });
    wrong.collect()
}

impl Licenses {
    /// Why a crate may not be used, if it may not.
    fn refuse(&self, name: &str, license: Option<&str>) -> Option<String> {
        let clarified = self.clarify.iter().find(|clarify| clarify.name == name);
        let Some(license) = clarified.map(|clarify| clarify.expression.as_str()).or(license) else {
            return Some("has no licence expression: clarify it in deny.toml, or do without".to_string());
        };
        // Old crates write `MIT/Apache-2.0`.
        let expression = match Expression::parse_mode(license, ParseMode::LAX) {
            Ok(expression) => expression,
            Err(error) => return Some(format!("has the licence `{license}`: {}", error.reason)),
        };
        let exceptions = self.exceptions.iter().filter(|exception| exception.name == name);
        let allowed: Vec<&String> =
            self.allow.iter().chain(exceptions.flat_map(|exception| &exception.allow)).collect();
        match expression.evaluate(|asked| allowed.iter().any(|allowed| is(asked, allowed))) {
            true => None,
            false => Some(format!("has the licence `{license}`, which deny.toml does not allow")),
        }
    }
}

fn is(asked: &LicenseReq, allowed: &str) -> bool {
    asked.to_string() == allowed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_licence_needs_an_entry() {
        let text = r#"
            [licenses]
            allow = ["MIT", "Apache-2.0 WITH LLVM-exception"]
            exceptions = [{ crate = "colours", allow = ["MPL-2.0"] }]
            [[licenses.clarify]]
            crate = "silent"
            expression = "MIT"
        "#;
        let licenses = toml::from_str::<Deny>(text).unwrap().licenses;
        let may = |name, license| licenses.refuse(name, license).is_none();
        assert!(may("a", Some("MIT")));
        assert!(may("a", Some("GPL-3.0-only OR MIT")));
        assert!(may("a", Some("MIT/Apache-2.0")));
        assert!(may("a", Some("Apache-2.0 WITH LLVM-exception")));
        assert!(may("colours", Some("MPL-2.0")));
        assert!(may("silent", None));
        assert!(!may("a", Some("MPL-2.0")));
        assert!(!may("a", Some("MIT AND Apache-2.0")));
        assert!(!may("a", Some("GPL-3.0-or-later")));
        assert!(!may("a", Some("no licence at all")));
        assert!(!may("a", None));
    }
}
