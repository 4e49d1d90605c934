//! Captions of two parts, each of which is learned, and the two together never.

use std::collections::HashMap;

use regex::Regex;

use super::{SplitCaption, SplitSet, place};
use crate::{Collection, DataError, captions::caption_column};

/// A kind of composition: a name, and a regular expression with the groups `a` and `b`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// What the set is called.
    pub name: String,
    /// Matches a whole caption.
    pub pattern: String,
}

/// People and skin tones, things and colours, faces and what they are with.
pub fn default_rules() -> Vec<Rule> {
    let rule = |name: &str, pattern: &str| Rule { name: name.to_string(), pattern: pattern.to_string() };
    vec![
        rule("tones", "^(?<a>[^:]+): (?<b>(?:light|medium-light|medium|medium-dark|dark) skin tone)$"),
        rule("colours", "^(?<b>red|orange|yellow|green|blue|purple|brown|black|white|pink|grey) (?<a>.+)$"),
        // A person with something stays the same whatever the skin.
        rule("with", "^(?<a>.+) with (?<b>[^:]+)(?::.*)?$"),
    ]
}

/// A set a rule: about `fraction` of its combinations, of which each part stands in another combination that stays.
///
/// # Errors
/// A rule that is no regular expression with the groups `a` and `b`, or a collection without captions.
pub fn composition(
    collection: &dyn Collection,
    rules: &[Rule],
    fraction: f64,
) -> Result<Vec<SplitSet>, DataError> {
    let column = caption_column(collection).ok_or_else(|| DataError::NoCaptions {
        location: collection.location().to_path_buf(),
        wanted: "a column of texts".to_string(),
        columns: crate::captions::column_names(collection),
    })?;
    let captions = (0..collection.len()).filter_map(|index| {
        let record = collection.captions(index).ok()?;
        let caption = record.text(column)?;
        Some(SplitCaption { key: record.key, caption })
    });
    let captions: Vec<SplitCaption> = captions.collect();
    rules.iter().map(|rule| Ok(hold_out(rule, &pattern(rule)?, &captions, fraction))).collect()
}

fn pattern(rule: &Rule) -> Result<Regex, DataError> {
    let wrong = |reason: String| DataError::Config {
        field: "rule".to_string(),
        value: rule.pattern.clone(),
        rule: format!("a regular expression with the groups (?<a>…) and (?<b>…) ({reason})"),
    };
    let pattern = Regex::new(&rule.pattern).map_err(|error| wrong(error.to_string()))?;
    for group in ["a", "b"] {
        if !pattern.capture_names().flatten().any(|name| name == group) {
            return Err(wrong(format!("it has no group `{group}`")));
        }
    }
    Ok(pattern)
}

fn hold_out(rule: &Rule, pattern: &Regex, captions: &[SplitCaption], fraction: f64) -> SplitSet {
    // Records of one combination, such as a caption that stands there twice, go together.
    let mut combinations: Vec<((&str, &str), Vec<&SplitCaption>)> = vec![];
    let mut known: HashMap<(&str, &str), usize> = HashMap::new();
    for entry in captions {
        let Some(parts) = pattern.captures(&entry.caption) else { continue };
        let (Some(a), Some(b)) = (parts.name("a"), parts.name("b")) else { continue };
        let both = (a.as_str(), b.as_str());
        let number = *known.entry(both).or_insert_with(|| {
            combinations.push((both, vec![]));
            combinations.len() - 1
        });
        combinations[number].1.push(entry);
    }
    let mut left_a: HashMap<&str, usize> = HashMap::new();
    let mut left_b: HashMap<&str, usize> = HashMap::new();
    for ((a, b), _) in &combinations {
        *left_a.entry(a).or_default() += 1;
        *left_b.entry(b).or_default() += 1;
    }
    // Those whose parts can be learned elsewhere, in the order of a hash, so that it depends on nothing else.
    let mut order: Vec<_> =
        combinations.iter().filter(|((a, b), _)| left_a[a] > 1 && left_b[b] > 1).collect();
    order.sort_by(|x, y| {
        let at = |((a, b), _): &((&str, &str), Vec<_>)| place(&format!("{a}\n{b}"));
        at(x).total_cmp(&at(y))
    });
    let wanted = (order.len() as f64 * fraction).ceil() as usize;
    let mut held = vec![];
    let mut taken = 0;
    for ((a, b), entries) in order {
        if taken == wanted {
            break;
        }
        if left_a[a] > 1 && left_b[b] > 1 {
            *left_a.entry(a).or_default() -= 1;
            *left_b.entry(b).or_default() -= 1;
            held.extend(entries.iter().map(|entry| (*entry).clone()));
            taken += 1;
        }
    }
    SplitSet { name: rule.name.clone(), captions: held }
}
