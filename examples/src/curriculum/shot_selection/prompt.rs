//! A prompt: worked examples, cut where there is no room for them, and the query, whole.

/// Characters of a prompt.
pub(super) const ROOM: usize = 4096;

/// The most characters of a shot's input, in every arm: the head of a function and the first words of its body. `tune` has what others give.
pub(super) const LONGEST: usize = 100;

/// What stands before an input, and the two tasks' words before an output.
const INPUT: &str = "code: ";

/// What an output is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Task {
    /// The first sentence of the documentation.
    Describe,
    /// Whether the function raises or returns an error.
    Classify,
}

impl Task {
    fn output(self) -> &'static str {
        match self {
            Self::Describe => "\ndoc: ",
            Self::Classify => "\nerror: ",
        }
    }

    /// An input with its output.
    pub(super) fn example(self, input: &str, output: &str) -> String {
        format!("{INPUT}{input}{}{output}\n", self.output())
    }

    /// What the model continues.
    pub(super) fn query(self, input: &str) -> String {
        format!("{INPUT}{input}{}", self.output())
    }

    /// An example whose input is cut at its end to so many characters, or to fewer where there is no room for them; none where its output has
    /// no room.
    fn cut(self, (input, output): (&str, &str), most: usize, room: usize) -> Option<String> {
        let frame = INPUT.len() + self.output().len() + output.chars().count() + 1;
        let left = room.checked_sub(frame)?;
        let kept: String = input.chars().take(left.min(most)).collect();
        Some(self.example(&kept, output))
    }

    /// The examples in their order before a query, each with as much room, their inputs cut to `most` characters.
    pub(super) fn examples(self, shots: &[(&str, &str)], query: &str, most: usize) -> String {
        let left = ROOM.saturating_sub(self.query(query).chars().count());
        let room = left / shots.len().max(1);
        let cut = |shot: &(&str, &str)| self.cut(*shot, most, room);
        shots.iter().filter_map(cut).collect()
    }

    /// As many of the examples as fill a number of characters, their inputs cut to `most`; what is too short for the next output stays empty.
    pub(super) fn filled(self, shots: &[(&str, &str)], all: usize, most: usize) -> String {
        let (mut text, mut left) = (String::new(), all);
        for shot in shots {
            let Some(example) = self.cut(*shot, most, left) else {
                break;
            };
            left -= example.chars().count();
            text += &example;
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_cut_and_the_query_never() {
        let shots = [("abcdef", "one"), ("gh", "two")];
        let text = Task::Describe.examples(&shots, "query", 4);
        assert_eq!(text, "code: abcd\ndoc: one\ncode: gh\ndoc: two\n");
        let long = "q".repeat(ROOM - Task::Describe.query("").len() - 42);
        let text = Task::Describe.examples(&shots, &long, 99);
        assert_eq!(text, "code: abcde\ndoc: one\ncode: gh\ndoc: two\n");
        let longer = "q".repeat(2 * ROOM);
        assert_eq!(Task::Describe.examples(&shots, &longer, 99), "");
        assert!(Task::Describe.query(&longer).contains(&longer));
    }

    #[test]
    fn examples_fill_what_they_are_given() {
        let shots = [("abcdef", "one"), ("ghijkl", "two"), ("mn", "three")];
        let one = "code: abcdef\ndoc: one\n";
        let filled = |all| Task::Describe.filled(&shots, all, 99);
        assert_eq!(filled(one.len() + 3), one);
        assert_eq!(filled(one.len() + 18), format!("{one}code: gh\ndoc: two\n"));
        assert_eq!(Task::Classify.filled(&shots, 5, 99), "");
    }
}
