//! Captions of two parts, each of which is learned, and the two together never.

use std::collections::{HashMap, HashSet};

use regex::Regex;

use super::{SplitCaption, SplitSet, place, split};
use crate::{Collection, DataError, captions::caption_column, config::DataConfig};

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

/// A set a rule: about `fraction` of its combinations. Each part of each stands in another combination of the same rule that is
/// learned: neither held back by any rule, nor by the `validation_fraction` that the model is going to be trained with.
///
/// # Errors
/// A rule that is no regular expression with the groups `a` and `b`, or a collection without captions.
pub fn composition(
    collection: &dyn Collection,
    rules: &[Rule],
    fraction: f64,
    validation_fraction: f64,
) -> Result<Vec<SplitSet>, DataError> {
    let column = caption_column(collection).ok_or_else(|| DataError::NoCaptions {
        location: collection.location().to_path_buf(),
        wanted: "a column of texts".to_string(),
        columns: crate::captions::column_names(collection),
    })?;
    let halves = split(collection, &DataConfig { validation_fraction, ..DataConfig::default() })?;
    let captions = halves.train.into_iter().filter_map(|index| {
        let record = collection.captions(index).ok()?;
        let caption = record.text(column)?;
        Some(SplitCaption { key: record.key, caption })
    });
    let captions: Vec<SplitCaption> = captions.collect();
    let mut all = vec![];
    for rule in rules {
        all.push(combinations(&pattern(rule)?, &captions));
    }
    let mut taken: HashSet<&str> = HashSet::new();
    let mut held: Vec<Vec<&Combination<'_>>> = vec![];
    for combinations in &all {
        let chosen = choose(combinations, fraction, &taken);
        taken.extend(
            chosen.iter().flat_map(|combination| &combination.entries).map(|entry| entry.key.as_str()),
        );
        held.push(chosen);
    }
    // A later rule may have taken what an earlier one relied on; what is given back can only help others.
    for (combinations, held) in all.iter().zip(&mut held) {
        held.retain(|combination| {
            let learned = combination.is_supported(combinations, &taken);
            if !learned {
                combination.entries.iter().for_each(|entry| {
                    taken.remove(entry.key.as_str());
                });
            }
            learned
        });
    }
    let entries = |held: Vec<&Combination<'_>>| {
        held.into_iter().flat_map(|combination| &combination.entries).map(|entry| (*entry).clone()).collect()
    };
    let sets = rules.iter().zip(held);
    Ok(sets.map(|(rule, held)| SplitSet { name: rule.name.clone(), captions: entries(held) }).collect())
}

/// Two parts, and the records that have both: a caption may stand there twice.
struct Combination<'a> {
    a: &'a str,
    b: &'a str,
    entries: Vec<&'a SplitCaption>,
}

impl Combination<'_> {
    /// Whether each part stands in another combination of which a record is not taken.
    fn is_supported(&self, all: &[Combination<'_>], taken: &HashSet<&str>) -> bool {
        let learned =
            |other: &Combination<'_>| other.entries.iter().any(|entry| !taken.contains(entry.key.as_str()));
        let by = |part: fn(&Combination<'_>, &Combination<'_>) -> bool| {
            all.iter()
                .any(|other| (other.a, other.b) != (self.a, self.b) && part(self, other) && learned(other))
        };
        by(|own, other| own.a == other.a) && by(|own, other| own.b == other.b)
    }
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

/// Those that a rule finds, in the order of the collection.
fn combinations<'a>(pattern: &Regex, captions: &'a [SplitCaption]) -> Vec<Combination<'a>> {
    let mut found: Vec<Combination<'a>> = vec![];
    let mut known: HashMap<(&str, &str), usize> = HashMap::new();
    for entry in captions {
        let Some(parts) = pattern.captures(&entry.caption) else { continue };
        let (Some(a), Some(b)) = (parts.name("a"), parts.name("b")) else { continue };
        let (a, b) = (a.as_str(), b.as_str());
        let number = *known.entry((a, b)).or_insert_with(|| {
            found.push(Combination { a, b, entries: vec![] });
            found.len() - 1
        });
        found[number].entries.push(entry);
    }
    found
}

/// A share of the combinations whose parts can be learned elsewhere, in the order of a hash, so that it depends on nothing else.
fn choose<'a, 'b>(
    all: &'b [Combination<'a>],
    fraction: f64,
    taken: &HashSet<&'a str>,
) -> Vec<&'b Combination<'a>> {
    let mut taken = taken.clone();
    let free = |combination: &&Combination<'a>, taken: &HashSet<&str>| {
        !combination.entries.iter().any(|entry| taken.contains(entry.key.as_str()))
    };
    let mut order: Vec<&Combination<'a>> =
        all.iter().filter(|one| free(one, &taken) && one.is_supported(all, &taken)).collect();
    let at = |one: &&Combination<'_>| place(&format!("{}\n{}", one.a, one.b));
    order.sort_by(|x, y| at(x).total_cmp(&at(y)));
    let wanted = (order.len() as f64 * fraction).ceil() as usize;
    let mut held = vec![];
    for one in order {
        if held.len() == wanted {
            break;
        }
        if one.is_supported(all, &taken) {
            taken.extend(one.entries.iter().map(|entry| entry.key.as_str()));
            held.push(one);
        }
    }
    // Each must still be supported once all are taken.
    held.retain(|one| one.is_supported(all, &taken));
    held
}
