//! What to do next on the line, said without naming a provider.

pub use crate::line::spoken::{Piece, Sound, Spoken};

use crate::base::hidden::Hidden;
use serde::{Deserialize, Serialize};

/// A language tag a line can speak, e.g. `zh-CN`. Which ones exist is up to `config/prompts`.
pub type Language = String;

/// One thing to do on the line. Verbs are carried out in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "verb", rename_all = "snake_case")]
pub enum Verb {
    /// Speak `text`. Followed by a [`Verb::Gather`] (with only `say` and `play` between), it can be
    /// interrupted by a key.
    Say {
        /// The words, one or more sentences, in `language`; in JSON one text.
        text: Spoken,
        /// The language of the words.
        language: Language,
    },
    /// Play back what the caller has just said.
    Play {
        /// The take to play: the number of the step that recorded it.
        take: u32,
    },
    /// Wait for one key. Ends the script: the answer to it is the next step.
    Gather {
        /// The keys that were offered, in the order they were spoken. Any other key is an answer too, a wrong one.
        keys: String,
        /// How long to wait after the last word, in seconds.
        seconds: u32,
    },
    /// Wait for several digits, ended by `#`. Ends the script: the answer to it is the next step.
    Digits {
        /// So many at most: the last one needs no `#`.
        most: u32,
        /// How long to wait after the last word, and after each digit, in seconds.
        seconds: u32,
    },
    /// Record after a beep, until `#`, silence, the limit, or hang-up. Ends the script.
    Record {
        /// The limit, in seconds.
        max_seconds: u32,
        /// Silence that ends the recording, in seconds.
        silence_seconds: u32,
    },
    /// Ring somebody of the roster, and put the two together once that telephone's key 1 is pressed. Ends the script:
    /// whether anybody took the call is the next step.
    Connect {
        /// Who is rung, as the roster calls them.
        name: String,
        /// Their telephone, in E.164. From the roster, and from nowhere else.
        #[serde(skip)]
        number: Hidden<String>,
        /// How long it rings, in seconds.
        ring_seconds: u32,
        /// How long the talk may last, in seconds.
        max_seconds: u32,
        /// The talk is recorded.
        record: bool,
    },
    /// End the call. Ends the script.
    HangUp,
}

/// What one step says and waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Default)]
#[serde(transparent)]
pub struct Script(pub Vec<Verb>);

/// How a recording came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordingEnd {
    /// The caller pressed `#`.
    Key,
    /// The caller stopped speaking.
    Silence,
    /// The time was up.
    Limit,
    /// The caller hung up.
    HangUp,
}
