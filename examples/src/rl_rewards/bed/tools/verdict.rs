//! What of an answer is right.

use regimen_rl_rewards::policy::{Completion, End};

use super::super::symbols::NEWLINE;
use super::call::Call;
use super::words::{NONE, OPEN};

/// What of an answer is right. Calls are compared line by line, arguments by their labels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// It ends, and every line is a call, or it is `none`.
    pub parsed: bool,
    /// All functions and arguments are right, and there is nothing else.
    pub exact: bool,
    /// All calls return what the right ones return.
    pub executed: bool,
    /// Functions that are right, of how many.
    pub functions: (usize, usize),
    /// Arguments that are right, of how many.
    pub arguments: (usize, usize),
}

impl Verdict {
    /// Beside the right calls; none of them where the answer is `none`.
    pub(super) fn of(calls: &[Call], completion: &Completion) -> Self {
        let content = completion.content();
        let ended = completion.end() == End::EndToken;
        let lines: Vec<&[u32]> = content.split(|token| *token == NEWLINE).collect();
        let read: Vec<Option<Call>> = lines.iter().map(|line| Call::read(line)).collect();
        let is_none = content == [NONE];
        let mut verdict = Self {
            parsed: ended && (is_none || read.iter().all(Option::is_some)),
            functions: (0, calls.len()),
            arguments: (0, calls.iter().map(|call| call.arguments.len()).sum()),
            ..Self::default()
        };
        if calls.is_empty() {
            verdict.exact = ended && is_none;
            verdict.executed = verdict.exact;
            return verdict;
        }
        let same_count = read.len() == calls.len();
        verdict.exact = ended && same_count;
        verdict.executed = ended && same_count;
        for (place, call) in calls.iter().enumerate() {
            let line = lines.get(place).copied().unwrap_or_default();
            verdict.functions.0 += usize::from(line.starts_with(&[call.name, OPEN]));
            let found = read.get(place).and_then(Option::as_ref);
            let arguments = found.map_or(&[][..], |found| &found.arguments);
            let right = call.arguments.iter().filter(|one| arguments.contains(one));
            let right = right.count();
            verdict.arguments.0 += right;
            verdict.exact &= found.is_some_and(|found| {
                found.name == call.name && right == call.arguments.len() && arguments.len() == right
            });
            verdict.executed &= found.is_some_and(|found| found.execute() == call.execute());
        }
        verdict
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::chain::demonstration;
    use super::super::super::symbols::END;
    use super::super::call::{Argument, label, name};
    use super::*;

    fn call(function: usize, labels: &[(usize, &[u32])]) -> Call {
        let argument = |(of, value): &(usize, &[u32])| Argument {
            label: label(*of),
            value: value.to_vec(),
        };
        Call {
            name: name(function),
            arguments: labels.iter().map(argument).collect(),
        }
    }

    fn judged(calls: &[Call], answer: &[&Call]) -> Verdict {
        let lines: Vec<Vec<u32>> = answer.iter().map(|call| call.tokens()).collect();
        let mut tokens = lines.join(&NEWLINE);
        tokens.push(END);
        Verdict::of(calls, &demonstration(tokens))
    }

    #[test]
    fn slots_are_scored_apart() {
        let rotate = call(1, &[(0, &[41, 42]), (2, &[4])]);
        let reverse = call(0, &[(0, &[41, 42])]);
        let calls = [rotate.clone(), reverse.clone()];
        let right = judged(&calls, &[&rotate, &reverse]);
        assert!(right.exact && right.executed && right.parsed);
        assert_eq!((right.functions, right.arguments), ((2, 2), (3, 3)));
        // 2 is 4 modulo the length: another argument of the same result.
        let other = call(1, &[(0, &[41, 42]), (2, &[2])]);
        let found = judged(&calls, &[&other, &reverse]);
        assert!(!found.exact && found.executed && found.parsed);
        assert_eq!((found.functions, found.arguments), ((2, 2), (2, 3)));
        // Another order of the arguments is the same call.
        let turned = call(1, &[(2, &[4]), (0, &[41, 42])]);
        assert!(judged(&calls, &[&turned, &reverse]).exact);
        let one = judged(&calls, &[&rotate]);
        assert!(!one.exact && !one.executed && one.parsed);
        assert_eq!((one.functions, one.arguments), ((1, 2), (2, 3)));
        // The same argument twice is not the call.
        let twice = call(1, &[(0, &[41, 42]), (2, &[4]), (2, &[4])]);
        assert!(!judged(&calls, &[&twice, &reverse]).exact);
    }
}
