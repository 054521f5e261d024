//! Fields of the record, and text as Markdown takes it.

use serde_json::Value;

/// A field that is a text with something in it.
pub(super) fn string<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value[key].as_str().filter(|text| !text.is_empty())
}

/// A field that is a number.
pub(super) fn number_of(value: &Value, key: &str) -> Option<f64> {
    value[key].as_f64()
}

/// A field that is a list; an empty one if it is none.
pub(super) fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

/// Text of one line that may stand in a table: nothing in it is a tag, a cell's end or emphasis.
pub(super) fn escape(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    text.replace('<', "&lt;")
        .replace('|', "\\|")
        .replace('*', "\\*")
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn nothing_is_read_as_markdown() {
        assert_eq!(escape("a|b <i>\n*c*"), "a\\|b &lt;i> \\*c\\*");
    }
}
