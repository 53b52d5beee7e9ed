//! Actions of a caller, and their text form: tokens separated by commas, e.g. `1,speak,#,1`. A token may be several
//! keys, e.g. `13`.

use std::fmt;

/// One action of a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Presses one of `0`-`9`, `*`, `#`.
    Key(char),
    /// Speaks. While the line waits for a key, this counts as silence.
    Speak,
    /// Stays silent until the line goes on by itself.
    Silence,
    /// Hangs up.
    HangUp,
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => write!(f, "{key}"),
            Self::Speak => f.write_str("speak"),
            Self::Silence => f.write_str("silence"),
            Self::HangUp => f.write_str("hangup"),
        }
    }
}

/// True if `key` is on a telephone keypad.
pub fn is_key(key: char) -> bool {
    key.is_ascii_digit() || key == '*' || key == '#'
}

/// Parses a list of actions: tokens separated by commas, each of them one or more keys, `speak`, `silence` or `hangup`.
/// White space around a token is ignored. Blank text gives an empty list.
///
/// # Errors
///
/// A message that names the first invalid token and the valid ones.
pub fn parse_script(text: &str) -> Result<Vec<Act>, String> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let mut acts = Vec::new();
    for token in text.split(',').map(str::trim) {
        match token {
            "speak" => acts.push(Act::Speak),
            "silence" => acts.push(Act::Silence),
            "hangup" => acts.push(Act::HangUp),
            keys if !keys.is_empty() && keys.chars().all(is_key) => {
                acts.extend(keys.chars().map(Act::Key));
            }
            other => {
                return Err(format!(
                    "{other:?} is not something a caller can do here: use keys (0-9, *, #), speak, silence or hangup, separated by commas"
                ));
            }
        }
    }
    Ok(acts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_the_help_shows() {
        let acts = parse_script("1,speak,#,1").unwrap();
        assert_eq!(
            acts,
            [Act::Key('1'), Act::Speak, Act::Key('#'), Act::Key('1')]
        );
        assert_eq!(parse_script("13").unwrap(), [Act::Key('1'), Act::Key('3')]);
        assert_eq!(
            parse_script(" silence , *9 ,hangup").unwrap(),
            [Act::Silence, Act::Key('*'), Act::Key('9'), Act::HangUp]
        );
        assert_eq!(parse_script("").unwrap(), []);
    }

    #[test]
    fn names_what_it_does_not_know() {
        assert!(parse_script("1,shout").unwrap_err().contains("\"shout\""));
        assert!(parse_script("1,,2").is_err());
        assert!(parse_script("１").is_err());
    }

    proptest! {
        #[test]
        fn a_script_written_down_reads_the_same(indices in proptest::collection::vec(0usize..15, 0..20)) {
            let acts: Vec<Act> = indices.iter().map(|i| match i {
                12 => Act::Speak,
                13 => Act::Silence,
                14 => Act::HangUp,
                i => Act::Key(['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '#'][*i]),
            }).collect();
            let text = acts.iter().map(Act::to_string).collect::<Vec<_>>().join(",");
            prop_assert_eq!(parse_script(&text).unwrap(), acts);
        }

        #[test]
        fn never_panics(text in ".*") {
            let _ = parse_script(&text);
        }
    }
}
