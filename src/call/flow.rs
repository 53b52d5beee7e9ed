//! The conversation: `(line, now, state, input) -> (state, effects, script)`.
//!
//! No I/O, no clock, no randomness. For any inputs, a call ends after at most [`MAX_STEPS`] steps and 5 more to
//! finish. If the phase accepts reports, silence alone leads to a recording, except in a call that already has a take
//! or has called back about an earlier report. No recording is dropped: a take that is recorded again is kept and
//! marked as replaced.
//!
//! A caller who calls back types a receipt. Its check digit is verified here; the report is looked up before the step,
//! and the result is passed in with the digits ([`Input::Typed`]).

mod calling_back;
mod closed;
mod connecting;
mod taking;

pub use connecting::whisper;

use super::script::{Language, RecordingEnd, Script, Verb};
use super::state::{Asked, Earlier, Place, Purpose, State};
use super::words::Speaker;
use crate::base::hidden::Hidden;
use crate::line::hours::{Phase, Standing};
use crate::line::{AfterHours, Line};
use crate::report::receipt::Receipt;
use crate::report::takes::Reached;
use chrono::{DateTime, Utc};

/// Number of steps after which the call is brought to its end, because some keys, such as 3 and 9 of the first menu,
/// could be repeated endlessly.
pub const MAX_STEPS: u32 = 60;
/// Number of takes of a call, replaced ones included, after which keys 3 and 4 of the review record no more.
const MAX_TAKES: usize = 10;
/// Time that a menu waits for a key after its last word, in seconds.
const KEY_SECONDS: u32 = 6;
/// Time to wait for the first digit of a receipt after the last word, and for each further digit, in seconds. Longer
/// than for a key, because callers read the receipt from paper.
const DIGIT_SECONDS: u32 = 10;
/// Number of wrong receipts in a call, mistyped or unknown, after which the caller is asked for no other.
pub const MAX_RECEIPTS: u8 = 3;
/// Length of the silence that ends a recording, in seconds. Long enough for the caller to pause, or to look something
/// up.
const SILENCE_SECONDS: u32 = 10;
/// Time before the end of a take at which the caller is warned, in seconds. A take whose maximum length is at most
/// twice as long has no warning.
pub const WARNING_SECONDS: u32 = 60;

/// Input of a step: what happened on the line after the script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A key was pressed.
    Key(char),
    /// One or more keys were pressed where a receipt was asked for.
    Typed {
        /// The keys, without the final `#`.
        keys: Hidden<String>,
        /// Result of looking up the receipt. Ignored if the keys are not a receipt with a valid check digit, for which
        /// [`receipt_typed`] returns `None`.
        found: Found,
    },
    /// No key was pressed, nothing was recorded, or the person rung did not accept the call.
    Nothing,
    /// A recording was made.
    Recorded {
        /// How it ended, if the provider reports it.
        end: Option<RecordingEnd>,
        /// Its length in seconds, if the provider reports it.
        seconds: Option<u32>,
    },
    /// A person of the roster accepted the call, and their talk with the caller is over, but the caller has not hung
    /// up.
    Connected,
    /// The caller hung up. If a recording comes with it, the input is [`Input::Recorded`] instead.
    HungUp,
    /// The provider asked for a step that is neither the current one nor answered before. Unless the conversation has
    /// ended or has reached [`MAX_STEPS`], it goes on at the review if there are takes, at the status of the earlier
    /// report if the caller has called back, and otherwise starts again.
    Restart,
}

/// Result of the lookup of a receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A report of this line has this receipt. Holds what its caller is told.
    Report(Earlier),
    /// No report of this line has this receipt.
    Nothing,
    /// Two callers were told this receipt, so it opens neither report.
    Shared,
    /// Not looked up, because too many receipts were tried from the caller's number or on this line.
    TooMany,
    /// The lookup failed, or did not finish in time.
    NoTime,
}

/// What a step depends on besides the line, the state and the input.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    /// Line time of the step.
    pub now: DateTime<Utc>,
    /// True if the caller asks for the duty inspector, and the number of the line's calls that ring or talk with the
    /// roster is not below [`Roster::at_once`](crate::line::roster::Roster::at_once) or not known.
    pub duty_busy: bool,
    /// True if the reply to the earlier report can be said: the provider has a voice, or a sound of the reply exists.
    pub reply_sounds: bool,
}

/// Returns the receipt to look up before these keys are passed to [`next`]. `None` if the call does not wait for a
/// receipt, or if the keys are not a receipt with a valid check digit.
pub fn receipt_typed(state: &State, keys: &str) -> Option<Receipt> {
    match state.place {
        Place::Receipt(_) => Receipt::parse(keys).ok(),
        _ => None,
    }
}

/// What a step causes besides the new state and the script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The recordings of these steps were replaced by the recording of step `by`.
    Replaced {
        /// Steps whose recordings are kept and marked as replaced.
        steps: Vec<u32>,
        /// Step of the recording that replaces them.
        by: u32,
    },
    /// The script speaks the receipt. It can be used to call back once the call is settled.
    ReceiptSpoken,
    /// A key was pressed that the menu does not offer.
    WrongKey,
}

/// Result of one step of a call.
pub struct Turn {
    /// The new state.
    pub state: State,
    /// What the step causes besides the state and the script.
    pub effects: Vec<Effect>,
    /// What to say and wait for.
    pub script: Script,
}

/// Returns the answer to a call, which is its step 0. `receipt` is the receipt drawn for this call; `rings` is true if
/// the roster may be rung in it ([`State::rings`]).
pub fn answer(line: &Line, now: DateTime<Utc>, receipt: String, rings: bool) -> Turn {
    let schedule = &line.schedule;
    let mut state = State {
        phase: schedule.phase(now),
        intake: schedule.intake_standing(now),
        answered_at: now,
        reopens_at: schedule.reopens_at(now).map(|at| at.with_timezone(&Utc)),
        language: 0,
        step: 1,
        place: Place::Menu,
        silences: 0,
        takes: Vec::new(),
        reached: Reached::Greeting,
        receipt,
        receipt_spoken: false,
        wrong_receipts: 0,
        rings,
        earlier: None,
    };
    let context = Context {
        now,
        duty_busy: false,
        reply_sounds: true,
    };
    let script = begin(line, context, &mut state);
    Turn {
        state,
        effects: Vec::new(),
        script,
    }
}

/// Processes the input of step `state.step`, and returns the new state and the next script. The script is empty if the
/// caller has hung up during the conversation.
pub fn next(line: &Line, context: Context, mut state: State, input: Input) -> Turn {
    let mut effects = Vec::new();
    let script = {
        let mut flow = Flow {
            line,
            context,
            state: &mut state,
            effects: &mut effects,
        };
        flow.take(input)
    };
    state.step += 1;
    Turn {
        state,
        effects,
        script: Script(script),
    }
}

/// Returns the fallback answer, for when nothing can be stored, in the line's first language: the greeting, and the
/// sentences of the phase. If the phase accepts reports, a recording follows, provided that the provider keeps it
/// (`records`); otherwise it would be lost, so the caller is asked to call again in a few minutes.
pub fn fallback(line: &Line, now: DateTime<Utc>, records: bool) -> Script {
    let turn = answer(line, now, String::new(), false);
    let speaker = Speaker::new(line, &line.languages[0]);
    let mut said = vec![speaker.greeting()];
    if takes_reports(line, &turn.state) {
        said.extend(speaker_closed(&speaker, &turn.state));
        if records {
            said.push(speaker.say(|p| &p.guidance));
            said.push(record(line.recording_seconds));
        } else {
            said.push(speaker.say(|p| &p.not_now));
            said.push(Verb::HangUp);
        }
    } else {
        said.extend(speaker.closed(&turn.state));
        said.extend(speaker.closed_addresses(&turn.state));
        said.push(Verb::HangUp);
    }
    Script(said)
}

/// Returns the script that says goodbye and hangs up. `language` is an index into the line's languages; if it is out of
/// range, the first language is spoken.
pub fn goodbye(line: &Line, language: usize) -> Script {
    let speaker = Speaker::new(line, language_of(line, language));
    Script(vec![speaker.say(|p| &p.goodbye), Verb::HangUp])
}

/// Returns the script for a call to a number that no line has. Says so in each language of `lines`, and hangs up.
pub fn not_in_service<'a>(lines: impl IntoIterator<Item = &'a Line>) -> Script {
    let mut said: Vec<Verb> = Vec::new();
    let mut languages: Vec<&str> = Vec::new();
    for line in lines {
        for language in &line.languages {
            if !languages.contains(&language.as_str()) {
                languages.push(language);
                said.push(Speaker::new(line, language).say(|p| &p.not_in_service));
            }
        }
    }
    said.push(Verb::HangUp);
    Script(said)
}

/// True if the phase at the start of the call accepts reports. Always false outside the intake period.
pub fn takes_reports(line: &Line, state: &State) -> bool {
    state.intake == Standing::During
        && match state.phase {
            Phase::Open => true,
            Phase::Break | Phase::AfterHours | Phase::Holiday => {
                line.after_hours == AfterHours::Report
            }
            Phase::NotStarted | Phase::IntakeClosed | Phase::Ended => false,
        }
}

/// True if a caller with a receipt can call back in the phase at the start of the call: in any phase between the start
/// and the end of the inspection.
pub fn takes_calls_back(state: &State) -> bool {
    !matches!(state.phase, Phase::NotStarted | Phase::Ended)
}

fn speaker_closed(speaker: &Speaker<'_>, state: &State) -> Vec<Verb> {
    if state.phase == Phase::Open {
        Vec::new()
    } else {
        speaker.closed(state)
    }
}

fn language_of(line: &Line, index: usize) -> &Language {
    line.languages.get(index).unwrap_or(&line.languages[0])
}

fn record(max_seconds: u32) -> Verb {
    Verb::Record {
        max_seconds,
        silence_seconds: SILENCE_SECONDS,
    }
}

/// Returns the first script of a call, or of one that starts again.
fn begin(line: &Line, context: Context, state: &mut State) -> Script {
    let mut effects = Vec::new();
    let mut flow = Flow {
        line,
        context,
        state,
        effects: &mut effects,
    };
    let mut said = vec![flow.speaker().greeting()];
    if flow.state.phase == Phase::Open && takes_reports(line, flow.state) {
        said.push(flow.speaker().say(|p| &p.confidential));
        said.extend(flow.menu());
    } else {
        said.extend(flow.closed());
    }
    Script(said)
}

/// One step in progress.
struct Flow<'a> {
    line: &'a Line,
    context: Context,
    state: &'a mut State,
    effects: &'a mut Vec<Effect>,
}

impl<'a> Flow<'a> {
    fn speaker(&self) -> Speaker<'a> {
        Speaker::new(self.line, language_of(self.line, self.state.language))
    }

    fn take(&mut self, input: Input) -> Vec<Verb> {
        if input == Input::HungUp {
            self.state.place = Place::Over;
            return Vec::new();
        }
        match self.state.place {
            Place::Over => self.after_all(input),
            _ if input == Input::Restart && self.state.step < MAX_STEPS => self.restart(),
            Place::Recording {
                purpose,
                last_minute,
            } => self.after_recording(purpose, last_minute, input),
            place => match (place, input) {
                (_, Input::Recorded { end, .. }) => self.unasked_recording(end),
                _ if self.state.step >= MAX_STEPS => self.wind_up(),
                (Place::Ringing { person, since }, input) => {
                    self.after_ringing(person, since, &input)
                }
                (Place::Menu, input) => self.at_menu(input),
                (Place::Closed, input) => self.at_closed(input),
                (Place::Receipt(asked), input) => self.at_receipt(asked, input),
                (Place::Earlier, input) => self.at_earlier(input),
                (_, input) => self.at_review(input),
            },
        }
    }

    // --- the open line -------------------------------------------------------------------------------

    fn menu(&mut self) -> Vec<Verb> {
        self.state.place = Place::Menu;
        let speaker = self.speaker();
        let mut said = vec![speaker.say(|p| &p.menu_report)];
        let mut keys = String::from("1");
        self.offer_duty(&speaker, &mut said, &mut keys);
        if speaker.has_information(self.state) {
            said.push(speaker.say(|p| &p.menu_inform));
            keys.push('3');
        }
        self.offer_call_back(&speaker, &mut said, &mut keys);
        self.offer_language(&speaker, &mut said, &mut keys);
        said.push(gather(keys));
        said
    }

    fn at_menu(&mut self, input: Input) -> Vec<Verb> {
        match input {
            Input::Key('1') => self.guidance(),
            Input::Key('2') if self.on_duty(0).is_some() => self.ask_for_duty(),
            Input::Key('4') if self.may_call_back() => self.ask_receipt(Asked::First),
            _ => match self.common_key(&input) {
                Some(mut said) => {
                    said.extend(self.menu());
                    said
                }
                // After two silences or wrong keys in a row, a caller who cannot press keys can still leave a
                // recording.
                None if self.silence(&input) => self.guidance(),
                None => {
                    let mut said = self.wrong_key(&input);
                    said.extend(self.menu());
                    said
                }
            },
        }
    }

    // --- all places ----------------------------------------------------------------------------------

    /// Handles key 3 (information) and key 9 (next language) of the first menu, and returns what is said before the
    /// menu is repeated. `None` for any other input, and if there is no information or only one language. A closed line
    /// handles key 9 itself.
    fn common_key(&mut self, input: &Input) -> Option<Vec<Verb>> {
        match input {
            Input::Key('3') => {
                let said = self.speaker().information(self.state);
                if said.is_empty() {
                    return None;
                }
                self.state.silences = 0;
                Some(said)
            }
            Input::Key('9') => {
                self.next_language()?;
                self.switch_language();
                let speaker = self.speaker();
                Some(vec![speaker.greeting(), speaker.say(|p| &p.confidential)])
            }
            _ => None,
        }
    }

    /// Counts a silence or a wrong key. Returns true if it is at least the second in a row.
    fn silence(&mut self, input: &Input) -> bool {
        if matches!(input, Input::Key(_)) {
            self.effects.push(Effect::WrongKey);
        }
        self.state.silences += 1;
        self.state.silences >= 2
    }

    fn wrong_key(&self, input: &Input) -> Vec<Verb> {
        let in_menu = matches!(self.state.place, Place::Menu | Place::Closed);
        match input {
            // A `#` pressed after the twelfth digit of the last wrong receipt may have interrupted the sentence that
            // the report was not found, so that sentence is said again.
            Input::Key('#') if in_menu && self.state.wrong_receipts >= MAX_RECEIPTS => {
                vec![self.speaker().say(|p| &p.no_more_tries)]
            }
            Input::Key(_) => vec![self.speaker().say(|p| &p.wrong_key)],
            _ => Vec::new(),
        }
    }

    fn next_language(&self) -> Option<usize> {
        (self.line.languages.len() > 1)
            .then(|| (self.state.language + 1) % self.line.languages.len())
    }

    fn switch_language(&mut self) {
        if let Some(next) = self.next_language() {
            self.state.language = next;
            self.state.silences = 0;
        }
    }

    fn offer_language(&self, speaker: &Speaker<'_>, said: &mut Vec<Verb>, keys: &mut String) {
        let next = self.next_language();
        let offer = speaker.offer_language(next.map(|next| language_of(self.line, next).as_str()));
        if let Some(offer) = offer {
            said.push(offer);
            keys.push('9');
        }
    }

    fn restart(&mut self) -> Vec<Verb> {
        self.state.silences = 0;
        if self.has_takes() {
            return self.review();
        }
        if self.adds() {
            return self.earlier();
        }
        begin(self.line, self.context, self.state).0
    }

    /// Ends a call that has reached [`MAX_STEPS`]: sends the takes if there are any; otherwise asks for a recording if
    /// the caller has called back or the phase accepts reports; otherwise says goodbye.
    fn wind_up(&mut self) -> Vec<Verb> {
        if self.has_takes() {
            self.send()
        } else if self.adds() {
            let said = vec![self.speaker().say(|p| &p.guidance_add)];
            self.recording(said, Purpose::Add, false)
        } else if takes_reports(self.line, self.state) {
            self.guidance()
        } else {
            self.say_goodbye()
        }
    }

    fn has_takes(&self) -> bool {
        !self.state.takes.is_empty()
    }

    fn say_goodbye(&mut self) -> Vec<Verb> {
        self.state.place = Place::Over;
        vec![self.speaker().say(|p| &p.goodbye), Verb::HangUp]
    }
}

/// Returns the maximum lengths, in seconds, of the two recordings of a take that may last `seconds`: before the warning
/// and after it. A short take has no warning; its second length is 0.
fn parts(seconds: u32) -> (u32, u32) {
    if seconds > 2 * WARNING_SECONDS {
        (seconds - WARNING_SECONDS, WARNING_SECONDS)
    } else {
        (seconds, 0)
    }
}

fn gather(keys: String) -> Verb {
    Verb::Gather {
        keys,
        seconds: KEY_SECONDS,
    }
}
