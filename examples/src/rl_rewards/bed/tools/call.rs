//! Functions, calls of them, and what they return.

use super::super::symbols::{EQUALS, LETTERS as WORDS};
use super::words::{CLOSE, COMMA, LETTERS, OPEN};

/// Labels of fields: text, other, by, times, from, to.
pub(super) const LABELS: usize = 6;
const TEXT: usize = 0;
const OTHER: usize = 1;
const BY: usize = 2;
const TIMES: usize = 3;
const FROM: usize = 4;
const TO: usize = 5;

/// The functions and the labels of what they need, in the order of a call.
pub const FUNCTIONS: [(&str, &[usize]); 6] = [
    ("reverse", &[TEXT]),
    ("rotate", &[TEXT, BY]),
    ("repeat", &[TEXT, TIMES]),
    ("cut", &[TEXT, FROM, TO]),
    ("join", &[TEXT, OTHER]),
    ("swap", &[TEXT, FROM, TO]),
];

/// Names that a request may have: those of the functions and three of none.
pub(super) const NAMES: usize = 9;

/// The word of a name.
pub(super) fn name(of: usize) -> u32 {
    WORDS + of as u32
}

/// The word of a label.
pub(super) fn label(of: usize) -> u32 {
    WORDS + (NAMES + of) as u32
}

/// Whether a field's value is a text; else it is a number.
pub(super) fn is_text(label: usize) -> bool {
    label == TEXT || label == OTHER
}

/// A label with a value: a field of a request, an argument of a call.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Argument {
    /// The word of the label.
    pub label: u32,
    /// The letters of a text, or a number.
    pub value: Vec<u32>,
}

impl Argument {
    /// What a field means: a sum in place of its two numbers.
    pub(super) fn meant(&self) -> Self {
        let of = |one: &usize| is_text(*one) && label(*one) == self.label;
        let value = if (0..LABELS).any(|one| of(&one)) {
            self.value.clone()
        } else {
            vec![self.value.iter().sum()]
        };
        Self {
            label: self.label,
            value,
        }
    }
}

/// A call of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The word of the name.
    pub name: u32,
    /// The arguments in the order of the call.
    pub arguments: Vec<Argument>,
}

impl Call {
    /// Of a function with what it needs from the fields; those that are missing are left out.
    pub(super) fn of(function: usize, fields: &[Argument]) -> Self {
        let needed = FUNCTIONS[function].1.iter();
        let find = |one: &usize| fields.iter().find(|field| field.label == label(*one));
        Self {
            name: name(function),
            arguments: needed.filter_map(find).cloned().collect(),
        }
    }

    /// As an answer has it.
    pub(super) fn tokens(&self) -> Vec<u32> {
        let mut tokens = vec![self.name, OPEN];
        for (place, argument) in self.arguments.iter().enumerate() {
            if place > 0 {
                tokens.push(COMMA);
            }
            tokens.extend([argument.label, EQUALS]);
            tokens.extend(&argument.value);
        }
        tokens.push(CLOSE);
        tokens
    }

    /// Reads a line of an answer.
    pub(super) fn read(line: &[u32]) -> Option<Self> {
        let [name, OPEN, inner @ .., CLOSE] = line else {
            return None;
        };
        let argument = |part: &[u32]| match part {
            [label, EQUALS, value @ ..] if !value.is_empty() => Some(Argument {
                label: *label,
                value: value.to_vec(),
            }),
            _ => None,
        };
        let arguments = inner.split(|token| *token == COMMA).map(argument);
        Some(Self {
            name: *name,
            arguments: arguments.collect::<Option<_>>()?,
        })
    }

    fn get(&self, of: usize) -> Option<&[u32]> {
        let mut arguments = self.arguments.iter();
        let found = arguments.find(|one| one.label == label(of))?;
        Some(&found.value)
    }

    /// What the function returns; none for a call that does not fit it.
    pub(super) fn execute(&self) -> Option<Vec<u32>> {
        let function = (0..FUNCTIONS.len()).find(|one| name(*one) == self.name)?;
        if self.arguments.len() != FUNCTIONS[function].1.len() {
            return None;
        }
        let mut text = self.get(TEXT)?.to_vec();
        if text.len() != LETTERS {
            return None;
        }
        let number = |of| match self.get(of) {
            Some([number]) => Some(*number as usize),
            _ => None,
        };
        match FUNCTIONS[function].0 {
            "reverse" => text.reverse(),
            "rotate" => text.rotate_left(number(BY)? % LETTERS),
            "repeat" => text = text.repeat(number(TIMES)?.min(100)),
            "cut" => {
                let to = number(TO)?.min(LETTERS);
                text = text[number(FROM)?.min(to)..to].to_vec();
            }
            "join" => text.extend(self.get(OTHER)?),
            _ => text.swap(number(FROM)? % LETTERS, number(TO)? % LETTERS),
        }
        Some(text)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn call(function: usize, arguments: &[(usize, &[u32])]) -> Call {
        let argument = |(of, value): &(usize, &[u32])| Argument {
            label: label(*of),
            value: value.to_vec(),
        };
        Call {
            name: name(function),
            arguments: arguments.iter().map(argument).collect(),
        }
    }

    #[test]
    fn functions_do_what_they_are_called() {
        let text: (usize, &[u32]) = (TEXT, &[41, 42]);
        for (function, more, result) in [
            (0, &[][..], &[42, 41][..]),
            (1, &[(BY, &[5][..])], &[42, 41]),
            (2, &[(TIMES, &[2])], &[41, 42, 41, 42]),
            (3, &[(FROM, &[1]), (TO, &[9])], &[42]),
            (3, &[(FROM, &[9]), (TO, &[1])], &[]),
            (4, &[(OTHER, &[50, 51])], &[41, 42, 50, 51]),
            (5, &[(FROM, &[0]), (TO, &[5])], &[42, 41]),
        ] {
            let call = call(function, &[&[text][..], more].concat());
            assert_eq!(call.execute().unwrap(), result);
            assert_eq!(Call::read(&call.tokens()).unwrap(), call);
        }
        assert!(call(1, &[text]).execute().is_none());
        assert!(call(7, &[text]).execute().is_none());
        let field = |of, value: &[u32]| call(0, &[(of, value)]).arguments[0].meant().value;
        assert_eq!(
            (field(BY, &[7, 4]), field(OTHER, &[41, 42])),
            (vec![11], vec![41, 42])
        );
    }

    #[test]
    fn what_is_no_call_is_not_read() {
        let (f, a) = (name(0), label(TEXT));
        for line in [
            &[][..],
            &[f],
            &[f, OPEN, CLOSE],
            &[f, OPEN, a, EQUALS, CLOSE],
            &[f, OPEN, a, EQUALS, 41, COMMA, CLOSE],
            &[f, OPEN, a, EQUALS, 41],
            &[OPEN, CLOSE],
        ] {
            assert!(Call::read(line).is_none(), "{line:?}");
        }
    }
}
