//! The functions of a program: their code, the first sentence of their documentation, and whether they end in an error.
//!
//! Read by indentation, as formatters leave it: no parser of the languages.

/// A language whose functions are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    Python,
    Rust,
}

impl Language {
    /// The one of which there are more heads of functions.
    pub(super) fn of(lines: &[String]) -> Self {
        let heads = |language: Self| lines.iter().filter(|line| language.is_head(line)).count();
        if heads(Self::Rust) > heads(Self::Python) {
            Self::Rust
        } else {
            Self::Python
        }
    }

    /// Whether a function begins on this line.
    fn is_head(self, line: &str) -> bool {
        let line = line.trim_start();
        match self {
            Self::Python => line.starts_with("def ") || line.starts_with("async def "),
            Self::Rust => {
                let words = line.split([' ', '(']);
                let mut words = words.skip_while(|word| {
                    let qualifiers = ["pub", "crate)", "const", "unsafe", "async"];
                    qualifiers.contains(word)
                });
                words.next() == Some("fn")
            }
        }
    }

    /// Whether an error is raised or returned on this line.
    fn is_error(self, line: &str) -> bool {
        let line = line.trim_start();
        match self {
            Self::Python => line == "raise" || line.starts_with("raise "),
            Self::Rust => ["Err(", "panic!("].iter().any(|sign| line.contains(sign)),
        }
    }
}

/// A function, on one line: runs of white space are one space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Function {
    /// Head and body without documentation.
    pub(super) code: String,
    /// The same without the statements that raise or return an error.
    pub(super) without_errors: String,
    /// Whether there were any.
    pub(super) fails: bool,
    /// The first sentence of its documentation, where there is one of three words or more.
    pub(super) sentence: Option<String>,
}

impl Function {
    fn new(language: Language, lines: &[&str], documentation: &[&str]) -> Self {
        let mut rest = Vec::new();
        let mut open = 0;
        for line in lines {
            if open <= 0 && !language.is_error(line) {
                rest.push(*line);
                continue;
            }
            // The statement goes on until its brackets are closed.
            open = open.max(0) + balance(line);
        }
        Self {
            fails: rest.len() < lines.len(),
            without_errors: on_one_line(&rest),
            code: on_one_line(lines),
            sentence: sentence(documentation),
        }
    }
}

fn on_one_line(lines: &[&str]) -> String {
    let words = lines.iter().flat_map(|line| line.split_whitespace());
    words.collect::<Vec<_>>().join(" ")
}

/// Brackets that a line opens less those that it closes.
fn balance(line: &str) -> i32 {
    let of = |letter| match letter {
        '(' | '[' | '{' => 1,
        ')' | ']' | '}' => -1,
        _ => 0,
    };
    line.chars().map(of).sum()
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// The first sentence of a documentation's first paragraph.
fn sentence(documentation: &[&str]) -> Option<String> {
    let lines = documentation.iter().map(|line| line.trim());
    let lines = lines.skip_while(|line| line.is_empty());
    let is_text = |line: &&str| !line.is_empty() && !line.starts_with(['#', '`', '>', '-', '*']);
    let text = on_one_line(&lines.take_while(is_text).collect::<Vec<_>>());
    let ends = text.match_indices(". ").map(|(at, _)| at);
    let mut ends = ends.filter(|at| {
        !["e.g", "i.e", "etc"]
            .iter()
            .any(|word| text[..*at].ends_with(word))
    });
    let text = ends.next().map_or(text.as_str(), |at| &text[..=at]);
    let words = text.split_whitespace().count();
    (words >= 3).then(|| text.to_owned())
}

/// The functions of a program, those within others left out.
pub(super) fn functions(lines: &[String], language: Language) -> Vec<Function> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        if !language.is_head(&lines[at]) {
            at += 1;
            continue;
        }
        let (function, next) = match language {
            Language::Python => {
                let (function, next) = python(lines, at);
                (Some(function), next)
            }
            Language::Rust => rust(lines, at),
        };
        found.extend(function);
        at = next.max(at + 1);
    }
    found
}

/// The function that begins at a line, and the line behind it.
fn python(lines: &[String], head: usize) -> (Function, usize) {
    let own = indent(&lines[head]);
    let mut body = head;
    let mut open = 0;
    while body < lines.len() {
        open += balance(&lines[body]);
        body += 1;
        if open <= 0 {
            break;
        }
    }
    let mut end = body;
    while end < lines.len() && (lines[end].trim().is_empty() || indent(&lines[end]) > own) {
        end += 1;
    }
    let text = |line: &usize| lines[*line].as_str();
    let first = lines[body..end]
        .iter()
        .position(|line| !line.trim().is_empty());
    let first = first.map_or(end, |place| body + place);
    let mut code: Vec<usize> = (head..body).collect();
    let (mut rest, mut documentation) = (first, Vec::new());
    let quoted = lines[..end].get(first).map_or("", |line| line.trim_start());
    let quoted = quoted.trim_start_matches(['r', 'R']);
    if let Some(mut line) = quoted.strip_prefix("\"\"\"") {
        loop {
            rest += 1;
            if let Some((last, _)) = line.split_once("\"\"\"") {
                documentation.push(last);
                break;
            }
            documentation.push(line);
            if rest >= end {
                break;
            }
            line = &lines[rest];
        }
    }
    code.extend(rest..end);
    let code: Vec<&str> = code.iter().map(text).collect();
    (Function::new(Language::Python, &code, &documentation), end)
}

/// The function that begins at a line, and the line behind it; none where it has no body or is a test.
fn rust(lines: &[String], head: usize) -> (Option<Function>, usize) {
    let own = indent(&lines[head]);
    let mut end = head;
    let last = |line: &str| line.trim_end().chars().next_back().unwrap_or(' ');
    while end < lines.len() && !['{', '}', ';'].contains(&last(&lines[end])) {
        end += 1;
    }
    if end >= lines.len() || last(&lines[end]) == ';' {
        return (None, end + 1);
    }
    if last(&lines[end]) == '{' {
        let closes = |line: &String| indent(line) <= own && line.trim_start().starts_with('}');
        let place = lines[end..].iter().position(closes);
        end = place.map_or(lines.len() - 1, |place| end + place);
    }
    let above = lines[..head].iter().rev();
    let above = above.map(|line| line.trim());
    let above: Vec<&str> = above
        .take_while(|line| line.starts_with("///") || line.starts_with("#["))
        .collect();
    let documentation = above
        .iter()
        .rev()
        .filter_map(|line| line.strip_prefix("///"));
    let documentation: Vec<&str> = documentation.collect();
    let code: Vec<&str> = lines[head..=end].iter().map(String::as_str).collect();
    let is_test = above
        .iter()
        .any(|line| line.starts_with("#[test") || line.starts_with("#[bench"));
    let function = (!is_test).then(|| Function::new(Language::Rust, &code, &documentation));
    (function, end + 1)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn found(text: &str) -> (Language, Vec<Function>) {
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let language = Language::of(&lines);
        let functions = functions(&lines, language);
        (language, functions)
    }

    const PYTHON: &str = r#"
class A:
    async def get(
        self, key
    ):
        """
        Return the value of a key, e.g. of a name
        of it. And more.

        Not this.
        """
        if key is None:
            raise ValueError(
                "no key"
            ) from None

        def inner():
            "Neither is this."
        return inner

    def empty(self):
        """Do it."""

def last(a): return a
"#;

    #[test]
    fn python_by_indentation() {
        let (language, found) = found(PYTHON);
        assert_eq!((language, found.len()), (Language::Python, 3));
        let get = &found[0];
        let sentence = "Return the value of a key, e.g. of a name of it.";
        assert_eq!(get.sentence.as_deref(), Some(sentence));
        let rest = "def inner(): \"Neither is this.\" return inner";
        let head = "async def get( self, key ): if key is None:";
        assert_eq!(get.without_errors, format!("{head} {rest}"));
        let error = "raise ValueError( \"no key\" ) from None";
        assert_eq!(get.code, format!("{head} {error} {rest}"));
        assert!(get.fails);
        // Two words are no sentence.
        assert_eq!(found[1].sentence, None);
        assert_eq!(found[1].code, "def empty(self):");
        assert_eq!(found[2].code, "def last(a): return a");
        assert!(!found[1].fails && !found[2].fails);
    }

    const RUST: &str = r#"
/// Not of the function.
struct A;

impl A {
    /// Divides by a digit.
    /// More of it.
    ///
    /// # Errors
    #[inline]
    pub(crate) const unsafe fn divide(
        a: u32,
    ) -> Result<u32, Error> {
        if a == 0 {
            return Err(Error::new(
                "zero",
            ));
        }
        Ok(1 / a)
    }

    fn declared(&self) -> bool;

    #[test]
    fn tested() {}

    fn short(&self) { panic!("x") }
}
"#;

    #[test]
    fn rust_by_indentation() {
        let (language, found) = found(RUST);
        assert_eq!((language, found.len()), (Language::Rust, 2));
        let divide = &found[0];
        assert_eq!(
            divide.sentence.as_deref(),
            Some("Divides by a digit. More of it.").map(|text| &text[..19])
        );
        assert!(divide.fails);
        assert!(
            divide
                .without_errors
                .ends_with("{ if a == 0 { } Ok(1 / a) }")
        );
        assert_eq!(found[1].code, "fn short(&self) { panic!(\"x\") }");
        assert_eq!(found[1].sentence, None);
    }

    #[test]
    fn texts_that_end_early() {
        for text in [PYTHON, RUST] {
            for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
                let (_, functions) = found(&text[..end]);
                assert!(functions.len() <= 3);
            }
        }
        assert!(found("").1.is_empty());
    }
}
