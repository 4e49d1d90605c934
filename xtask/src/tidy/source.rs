//! Rust source without what is not code.

/// The code alone: comments and the insides of strings and characters become blanks, lines stay where they are.
pub fn code(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let inside_a_word = out.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let blank = comment(rest).or_else(|| text(rest, inside_a_word)).or_else(|| character(rest));
        let length = blank.unwrap_or(first.len_utf8());
        let (taken, after) = rest.split_at(length.min(rest.len()));
        match blank {
            Some(_) => out.extend(taken.chars().map(|c| if c == '\n' { '\n' } else { ' ' })),
            None => out.push_str(taken),
        }
        rest = after;
    }
    out
}

/// The code above the file's own tests.
pub fn code_without_tests(source: &str) -> String {
    let mut code = code(source);
    if let Some(tests) = code.find("#[cfg(test)]") {
        code.truncate(tests);
    }
    code
}

/// The length of a comment that starts here.
fn comment(rest: &str) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if !rest.starts_with("/*") {
        return None;
    }
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        let here = &rest.as_bytes()[at..];
        if here.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return Some(at);
            }
        } else {
            at += 1;
        }
    }
    Some(rest.len())
}

/// The length of a string that starts here, raw or not, with its prefix.
fn text(rest: &str, inside_a_word: bool) -> Option<usize> {
    let prefix = match inside_a_word {
        true => "",
        false => {
            ["br", "cr", "b", "c", "r"].into_iter().find(|prefix| rest.starts_with(prefix)).unwrap_or("")
        }
    };
    let body = &rest[prefix.len()..];
    let hashes = body.len() - body.trim_start_matches('#').len();
    let raw = prefix.ends_with('r');
    let content = body[hashes..].strip_prefix('"')?;
    if hashes > 0 && !raw {
        return None;
    }
    let start = prefix.len() + hashes + 1;
    if raw {
        let end = format!("\"{}", "#".repeat(hashes));
        return Some(content.find(&end).map_or(rest.len(), |at| start + at + end.len()));
    }
    let mut escaped = false;
    for (at, c) in content.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(start + at + 1),
            _ => {}
        }
    }
    Some(rest.len())
}

/// The length of a character that starts here; a lifetime is none.
fn character(rest: &str) -> Option<usize> {
    let content = rest.strip_prefix('\'')?;
    let mut chars = content.char_indices();
    match chars.next()?.1 {
        '\\' => {
            let escaped = chars.next()?;
            let after = escaped.0 + escaped.1.len_utf8();
            content[after..].find('\'').map(|at| 1 + after + at + 1)
        }
        _ => match chars.next()? {
            (at, '\'') => Some(1 + at + 1),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, expect: &str) {
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(words(&code(source)), words(expect), "{source}");
        assert_eq!(code(source).lines().count(), source.lines().count(), "{source}");
    }

    #[test]
    fn comments_and_literals_are_blank() {
        check("a // b\nc /* d /* e */ f */ g", "a\nc g");
        check(r#"a("b \" c"); d"#, "a( ); d");
        check(r##"a(r#"b " c"#); br"d" e"##, "a( ); e");
        check("a('\\'', 'b', '\"') c", "a( , , ) c");
        check("a(\"b\nc\") d", "a( \n ) d");
    }

    #[test]
    fn lifetimes_and_names_are_code() {
        check("fn a<'b>(c: &'b str) -> &'static str", "fn a<'b>(c: &'b str) -> &'static str");
        check("r#type + bar\"x\"", "r#type + bar");
    }
}
