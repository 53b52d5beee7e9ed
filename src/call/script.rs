//! Instructions for a call, independent of the provider.

pub use crate::line::spoken::{Piece, Sound, Spoken};

use crate::base::hidden::Hidden;
use serde::{Deserialize, Serialize};

/// Tag of a language that a line can speak, e.g. `zh-CN`. The languages are those with a file in `config/prompts`.
pub type Language = String;

/// One instruction of a script. The verbs of a script are carried out in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "verb", rename_all = "snake_case")]
pub enum Verb {
    /// Speak `text`. If a [`Verb::Gather`] or [`Verb::Digits`] follows with only `Say` and `Play` between, a key press
    /// interrupts it.
    Say {
        /// The words, one or more sentences, in `language`; serialized as one string.
        text: Spoken,
        /// Language of the words.
        language: Language,
    },
    /// Play back a recording of this call to the caller.
    Play {
        /// Number of the step that made the recording.
        take: u32,
    },
    /// Wait for one key. Ends the script; the key is the input of the next step.
    Gather {
        /// Keys offered, in the order they are spoken. Any other key is also an input, counted as wrong.
        keys: String,
        /// Time to wait after the last word, in seconds.
        seconds: u32,
    },
    /// Wait for several digits, ended by `#`. Ends the script; the digits are the input of the next step.
    Digits {
        /// Maximum number of digits. After that many, no `#` is needed.
        most: u32,
        /// Time to wait after the last word, and after each digit, in seconds.
        seconds: u32,
    },
    /// Record after a beep, until `#`, silence, the limit or hang-up. Ends the script.
    Record {
        /// Maximum length, in seconds.
        max_seconds: u32,
        /// Length of the silence that ends the recording, in seconds.
        silence_seconds: u32,
    },
    /// Ring a telephone of the roster, and connect the caller once key 1 is pressed on it. Ends the script; the input
    /// of the next step is whether the call was accepted.
    Connect {
        /// Name of the person rung, as written in the roster. Not spoken.
        name: String,
        /// Number to ring, in E.164. It comes from the roster, and is not serialized.
        #[serde(skip)]
        number: Hidden<String>,
        /// Time that the telephone rings, in seconds.
        ring_seconds: u32,
        /// Maximum length of the talk, in seconds.
        max_seconds: u32,
        /// True if the talk is recorded.
        record: bool,
    },
    /// End the call. Ends the script.
    HangUp,
}

/// What is said and waited for in one step. Empty if the caller has hung up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Default)]
#[serde(transparent)]
pub struct Script(pub Vec<Verb>);

/// How a recording ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordingEnd {
    /// The caller pressed `#`.
    Key,
    /// The caller was silent for as long as [`Verb::Record`] allows.
    Silence,
    /// The maximum length was reached.
    Limit,
    /// The caller hung up.
    HangUp,
}
