//! A filter such as `group = 'Food & Drink' AND width >= 64`: read by an SQL parser into the few forms below, and turned into
//! SQL of our own whose values are parameters. Nothing that a person writes becomes SQL as it stands.

use sqlparser::{
    ast::{BinaryOperator, Expr, InTarget, Spanned, UnaryOperator, Value as Literal},
    dialect::GenericDialect,
    parser::Parser,
    tokenizer::Token,
};

use crate::StoreError;

/// Conditions on the fields of an item. A condition on a field that an item has not is not met, whatever it says.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// All of them.
    All(Vec<Filter>),
    /// At least one of them.
    Any(Vec<Filter>),
    /// Not so.
    Not(Box<Filter>),
    /// A field compared with a value.
    Compare {
        /// The field.
        field: Field,
        /// How.
        by: Comparison,
        /// The value.
        value: Scalar,
    },
    /// A text field matched by a pattern, in which `%` stands for any text and `_` for one character; case does not count.
    Like {
        /// The field.
        field: Field,
        /// The pattern.
        pattern: String,
    },
    /// An item that has the field.
    Has(Field),
}

/// A field's name, and where in the filter it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The name.
    pub name: String,
    place: u64,
}

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are what their names say")]
pub enum Comparison {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    fn sql(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::Unequal => "<>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }

    fn turned(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
            same => same,
        }
    }
}

/// A value in a filter.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    /// A text.
    Text(String),
    /// A number; true is 1 and false is 0.
    Number(f64),
}

/// What is understood, for errors.
const FORMS: &str = "understood are =, <>, <, <=, >, >=, LIKE, IN, BETWEEN, IS NULL, AND, OR, NOT and brackets, between names \
                     of fields and values such as 'text', 64 or true";

impl Filter {
    /// Reads a filter.
    ///
    /// # Errors
    /// It is no such expression; the error says at which character.
    pub fn parse(text: &str) -> Result<Self, StoreError> {
        let dialect = GenericDialect {};
        let parsed = Parser::new(&dialect).try_with_sql(text).and_then(|mut parser| {
            let expression = parser.parse_expr()?;
            parser.expect_token(&Token::EOF)?;
            Ok(expression)
        });
        let expression = parsed.map_err(|error| {
            let said = error.to_string();
            let said = said.trim_start_matches("sql parser error: ").replace("Expected: ", "expected is ");
            let (reason, place) = match said.split_once(" at Line: ") {
                Some((reason, place)) => {
                    (reason.to_string(), place.rsplit(' ').next().and_then(|n| n.parse().ok()))
                }
                None => (said.clone(), Some(text.chars().count() as u64)),
            };
            StoreError::Filter { filter: text.to_string(), place, reason: format!("{reason}; {FORMS}") }
        })?;
        Reading { text }.filter(&expression)
    }

    /// The fields that it asks about.
    fn fields<'a>(&'a self, into: &mut Vec<&'a Field>) {
        match self {
            Self::All(all) | Self::Any(all) => all.iter().for_each(|one| one.fields(into)),
            Self::Not(one) => one.fields(into),
            Self::Compare { field, .. } | Self::Like { field, .. } | Self::Has(field) => into.push(field),
        }
    }

    /// Refuses a field that no item has.
    ///
    /// # Errors
    /// Names the field, its place and the fields that there are.
    pub fn check(&self, text: &str, known: &[String]) -> Result<(), StoreError> {
        let mut fields = vec![];
        self.fields(&mut fields);
        match fields.into_iter().find(|field| !known.contains(&field.name)) {
            None => Ok(()),
            Some(field) => Err(StoreError::Filter {
                filter: text.to_string(),
                place: Some(field.place),
                reason: format!("no item has a field `{}`; there are: {}", field.name, known.join(", ")),
            }),
        }
    }

    /// A condition on `item.id`, whose values are taken over into `values`; each stands there by a mark and its number from 1.
    pub(crate) fn sql(&self, mark: char, values: &mut Vec<Scalar>) -> String {
        let mut put = |value: Scalar| {
            values.push(value);
            format!("{mark}{}", values.len())
        };
        match self {
            Self::All(all) => joined(all, " AND ", mark, values),
            Self::Any(any) => joined(any, " OR ", mark, values),
            Self::Not(one) => format!("NOT {}", one.sql(mark, values)),
            Self::Compare { field, by, value } => {
                let name = put(Scalar::Text(field.name.clone()));
                let column = match value {
                    Scalar::Text(_) => "text",
                    Scalar::Number(_) => "number",
                };
                let value = put(value.clone());
                exists(&name, &format!("AND field.{column} {} {value}", by.sql()))
            }
            Self::Like { field, pattern } => {
                let name = put(Scalar::Text(field.name.clone()));
                let pattern = put(Scalar::Text(pattern.to_lowercase()));
                exists(&name, &format!("AND field.lowered LIKE {pattern} ESCAPE '\\'"))
            }
            Self::Has(field) => exists(&put(Scalar::Text(field.name.clone())), ""),
        }
    }
}

fn joined(all: &[Filter], by: &str, mark: char, values: &mut Vec<Scalar>) -> String {
    let parts: Vec<String> = all.iter().map(|one| one.sql(mark, values)).collect();
    format!("({})", parts.join(by))
}

fn exists(name: &str, condition: &str) -> String {
    format!("EXISTS (SELECT 1 FROM field WHERE field.item = item.id AND field.name = {name} {condition})")
}

/// From the parser's tree to ours.
struct Reading<'a> {
    text: &'a str,
}

impl Reading<'_> {
    fn filter(&self, expression: &Expr) -> Result<Filter, StoreError> {
        match expression {
            Expr::Nested(inner) => self.filter(inner),
            Expr::UnaryOp { op: UnaryOperator::Not, expr } => Ok(not(self.filter(expr)?)),
            Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
                Ok(Filter::All(vec![self.filter(left)?, self.filter(right)?]))
            }
            Expr::BinaryOp { left, op: BinaryOperator::Or, right } => {
                Ok(Filter::Any(vec![self.filter(left)?, self.filter(right)?]))
            }
            Expr::BinaryOp { left, op, right } => {
                let by = match op {
                    BinaryOperator::Eq => Comparison::Equal,
                    BinaryOperator::NotEq => Comparison::Unequal,
                    BinaryOperator::Lt => Comparison::Less,
                    BinaryOperator::LtEq => Comparison::LessOrEqual,
                    BinaryOperator::Gt => Comparison::Greater,
                    BinaryOperator::GtEq => Comparison::GreaterOrEqual,
                    _ => return Err(self.wrong(expression, format!("`{op}` is not understood; {FORMS}"))),
                };
                match (self.field(left), self.field(right)) {
                    (Some(field), None) => Ok(Filter::Compare { field, by, value: self.value(right)? }),
                    (None, Some(field)) => {
                        Ok(Filter::Compare { field, by: by.turned(), value: self.value(left)? })
                    }
                    _ => {
                        Err(self
                            .wrong(expression, "one side must be a field and the other a value".to_string()))
                    }
                }
            }
            Expr::In { expr, target: InTarget::List(list), negated, global: false } => {
                let field = self.named(expr)?;
                let equal = |value| Filter::Compare { field: field.clone(), by: Comparison::Equal, value };
                let any = list.iter().map(|value| self.value(value).map(equal)).collect::<Result<_, _>>()?;
                Ok(maybe_not(*negated, Filter::Any(any)))
            }
            Expr::Between { expr, negated, low, high } => {
                let field = self.named(expr)?;
                let (low, high) = (self.value(low)?, self.value(high)?);
                let both = vec![
                    Filter::Compare { field: field.clone(), by: Comparison::GreaterOrEqual, value: low },
                    Filter::Compare { field, by: Comparison::LessOrEqual, value: high },
                ];
                Ok(maybe_not(*negated, Filter::All(both)))
            }
            Expr::Like { negated, any: false, expr, pattern, escape_char: None }
            | Expr::ILike { negated, any: false, expr, pattern, escape_char: None } => {
                let field = self.named(expr)?;
                match self.value(pattern)? {
                    Scalar::Text(text) if ends_escaping(&text) => {
                        let rule =
                            "a pattern may not end with a `\\` that takes nothing; write `\\\\` for one"
                                .to_string();
                        Err(self.wrong(pattern, rule))
                    }
                    Scalar::Text(pattern) => Ok(maybe_not(*negated, Filter::Like { field, pattern })),
                    Scalar::Number(_) => {
                        Err(self.wrong(pattern, "a pattern is a text in quotes".to_string()))
                    }
                }
            }
            Expr::IsNull(expr) => Ok(not(Filter::Has(self.named(expr)?))),
            Expr::IsNotNull(expr) => Ok(Filter::Has(self.named(expr)?)),
            Expr::Identifier(_) => {
                let one = Scalar::Number(1.0);
                Ok(Filter::Compare { field: self.named(expression)?, by: Comparison::Equal, value: one })
            }
            other => Err(self.wrong(other, format!("`{other}` is not understood; {FORMS}"))),
        }
    }

    /// The field that an expression names, if it names one.
    fn field(&self, expression: &Expr) -> Option<Field> {
        match expression {
            Expr::Identifier(name) => Some(Field { name: name.value.clone(), place: self.place(expression) }),
            Expr::Nested(inner) => self.field(inner),
            _ => None,
        }
    }

    fn named(&self, expression: &Expr) -> Result<Field, StoreError> {
        let rule = || format!("`{expression}` is no name of a field");
        self.field(expression).ok_or_else(|| self.wrong(expression, rule()))
    }

    fn value(&self, expression: &Expr) -> Result<Scalar, StoreError> {
        let wrong = || {
            let rule = format!(
                "`{expression}` is no value: a text stands in single quotes, as 'text', a number alone"
            );
            self.wrong(expression, rule)
        };
        match expression {
            Expr::Nested(inner) => self.value(inner),
            Expr::UnaryOp { op: UnaryOperator::Minus, expr } => match self.value(expr)? {
                Scalar::Number(number) => Ok(Scalar::Number(-number)),
                Scalar::Text(_) => Err(wrong()),
            },
            Expr::Value(value) => match &value.value {
                Literal::SingleQuotedString(text) => Ok(Scalar::Text(text.clone())),
                Literal::Number(number, _) => number.parse().map(Scalar::Number).map_err(|_| wrong()),
                Literal::Boolean(yes) => Ok(Scalar::Number(f64::from(u8::from(*yes)))),
                _ => Err(wrong()),
            },
            _ => Err(wrong()),
        }
    }

    fn place(&self, expression: &Expr) -> u64 {
        expression.span().start.column
    }

    fn wrong(&self, expression: &Expr, reason: String) -> StoreError {
        let place = Some(self.place(expression)).filter(|place| *place > 0);
        StoreError::Filter { filter: self.text.to_string(), place, reason }
    }
}

/// Whether the last of a pattern's backslashes stands for itself by nothing.
fn ends_escaping(pattern: &str) -> bool {
    pattern.chars().rev().take_while(|letter| *letter == '\\').count() % 2 == 1
}

fn not(filter: Filter) -> Filter {
    Filter::Not(Box::new(filter))
}

fn maybe_not(negated: bool, filter: Filter) -> Filter {
    if negated { not(filter) } else { filter }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_filter_says_where() {
        for (filter, place, said) in [
            ("group = ", 8, "expression"),
            ("group = 'x' AND width ~ 3", 17, "not understood"),
            ("width = (SELECT 1)", 10, "no value"),
            ("width + 1 = 2", 1, "one side must be a field"),
            ("group = 'x' extra", 13, "extra"),
            ("lower(group) = 'x'", 1, "one side must be a field"),
            ("group = 'x", 9, "Unterminated"),
            ("group LIKE 'x\\\\\\'", 12, "may not end with a `\\`"),
        ] {
            match Filter::parse(filter).unwrap_err() {
                StoreError::Filter { place: Some(found), reason, .. } => {
                    assert!(reason.contains(said), "{filter}: {reason}");
                    assert_eq!(found, place, "{filter}: {reason}");
                }
                other => panic!("{filter}: {other}"),
            }
        }
        let filter = "widht >= 64";
        let error = Filter::parse(filter).unwrap().check(filter, &["width".into()]).unwrap_err().to_string();
        assert!(error.contains("at character 1") && error.contains("`widht`; there are: width"), "{error}");
    }
}
