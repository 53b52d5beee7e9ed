//! The conversation: `(line, now, state, input) -> (state, effects, script)`.
//!
//! No I/O, no clock, no randomness. Whatever the inputs, a call ends after at most [`MAX_STEPS`] steps and a
//! few more to finish; whenever the phase takes reports, doing nothing leads to a recording; and no recording
//! once made is ever dropped: a take that is said again is kept and marked.
//!
//! Whoever calls back types a receipt. Whether it has its check digit is seen here; what stands behind it is looked up
//! before, and comes in with the digits.

mod calling_back;
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

/// After so many steps menus stop and the call is brought to its end: 3 and 9 could be pressed for ever.
pub const MAX_STEPS: u32 = 60;
/// A report has at most so many takes.
const MAX_TAKES: usize = 10;
/// How long the line waits for a key, in seconds.
const KEY_SECONDS: u32 = 6;
/// How long it waits for each digit of a receipt, in seconds: it is read from a piece of paper.
const DIGIT_SECONDS: u32 = 10;
/// After so many wrong receipts a call takes no more.
pub const MAX_RECEIPTS: u8 = 3;
/// Silence that ends a recording, in seconds: long enough to cry, or to look something up.
const SILENCE_SECONDS: u32 = 10;
/// How long before the end of a recording the caller is warned, in seconds.
pub const WARNING_SECONDS: u32 = 60;

/// What came back from the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A key was pressed.
    Key(char),
    /// Several keys were pressed where a receipt is typed.
    Typed {
        /// All of them, but for the `#` at the end.
        keys: Hidden<String>,
        /// What stands behind them, if they are a receipt with its check digit; see [`receipt_typed`].
        found: Found,
    },
    /// Nothing was pressed, or nothing was said.
    Nothing,
    /// A recording was made.
    Recorded {
        /// How it ended, when the provider says.
        end: Option<RecordingEnd>,
        /// Its length in seconds, when the provider says.
        seconds: Option<u32>,
    },
    /// Whoever was rung took the call, and the talk is over. That nobody did is [`Input::Nothing`].
    Connected,
    /// The caller is gone.
    HungUp,
    /// The provider asks for something it was never told of: begin again, and keep what was said.
    Restart,
}

/// What was found with a receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The report.
    Report(Earlier),
    /// There is none.
    Nothing,
    /// Two callers were told this receipt, so it opens neither report.
    Shared,
    /// Nobody looked: there were too many tries.
    TooMany,
    /// There was no time to look.
    NoTime,
}

/// What the conversation has to know besides what came back.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    /// Line time.
    pub now: DateTime<Utc>,
    /// As many calls as may be are with the roster already.
    pub duty_busy: bool,
    /// The reply to an earlier report can be said on this call: its provider has a voice, or a sound of it.
    pub reply_sounds: bool,
}

/// The receipt that has to be looked up before these keys are taken in; none when nothing is to be looked up.
pub fn receipt_typed(state: &State, keys: &str) -> Option<Receipt> {
    match state.place {
        Place::Receipt(_) => Receipt::parse(keys).ok(),
        _ => None,
    }
}

/// Something the plumbing has to write down besides the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The recordings of these steps were said again in the recording of step `by`.
    Replaced {
        /// The steps whose recordings are kept but stand back.
        steps: Vec<u32>,
        /// The step of the recording that stands in their place.
        by: u32,
    },
    /// The receipt was spoken: from now on it must work.
    ReceiptSpoken,
    /// A key was pressed that was not offered.
    WrongKey,
}

/// What one step of a call comes to.
pub struct Turn {
    /// Where the call is now.
    pub state: State,
    /// What to write down.
    pub effects: Vec<Effect>,
    /// What to say and wait for.
    pub script: Script,
}

/// Answers a call: step 0.
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

/// Takes the answer to step `state.step` and says what comes next.
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

/// What a caller hears when nothing can be written down: the phase's words, and a recording left with the
/// provider where the phase takes reports and the provider `records`. Where it doesn't, what would be said is lost: the
/// caller is asked to call again.
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

/// What a caller hears whose call is over already, or who has nothing more to do.
pub fn goodbye(line: &Line, language: usize) -> Script {
    let speaker = Speaker::new(line, language_of(line, language));
    Script(vec![speaker.say(|p| &p.goodbye), Verb::HangUp])
}

/// What a caller hears at a number none of these lines has, in their languages one after the other.
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

/// Does the phase a call was answered in take a report? Once intake is over none does.
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

/// Can whoever has a receipt call back in the phase a call was answered in?
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

/// The first words of a call, and of one that begins again.
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

/// One step being taken.
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
                // Nothing pressed, twice: whoever cannot press keys can still speak.
                None if self.silence(&input) => self.guidance(),
                None => {
                    let mut said = self.wrong_key(&input);
                    said.extend(self.menu());
                    said
                }
            },
        }
    }

    // --- the closed phases ---------------------------------------------------------------------------

    /// The addresses take half a minute to say: the keys are told before them, so that nobody waits that long to act.
    fn closed(&mut self) -> Vec<Verb> {
        let speaker = self.speaker();
        let mut said = speaker.closed(self.state);
        let addresses = speaker.closed_addresses(self.state);
        said.extend(self.closed_menu(addresses));
        said
    }

    fn closed_menu(&mut self, addresses: Vec<Verb>) -> Vec<Verb> {
        self.state.place = Place::Closed;
        let speaker = self.speaker();
        let mut said = Vec::new();
        let mut keys = String::new();
        if takes_reports(self.line, self.state) {
            said.push(speaker.say(|p| &p.leave_now));
            keys.push('1');
        }
        if speaker.has_information(self.state) {
            said.push(speaker.say(|p| &p.menu_elsewhere));
            keys.push('3');
        }
        self.offer_call_back(&speaker, &mut said, &mut keys);
        self.offer_language(&speaker, &mut said, &mut keys);
        said.extend(addresses);
        said.push(gather(keys));
        said
    }

    fn at_closed(&mut self, input: Input) -> Vec<Verb> {
        let takes_reports = takes_reports(self.line, self.state);
        match input {
            Input::Key('1') if takes_reports => self.guidance(),
            Input::Key('4') if self.may_call_back() => self.ask_receipt(Asked::First),
            Input::Key('9') if self.next_language().is_some() => {
                self.switch_language();
                let mut said = vec![self.speaker().greeting()];
                said.extend(self.closed());
                said
            }
            _ => match self.common_key(&input) {
                Some(mut said) => {
                    said.extend(self.closed_menu(Vec::new()));
                    said
                }
                None if self.silence(&input) => {
                    if takes_reports {
                        self.guidance()
                    } else {
                        self.say_goodbye()
                    }
                }
                None => {
                    let mut said = self.wrong_key(&input);
                    said.extend(self.closed());
                    said
                }
            },
        }
    }

    // --- everywhere ----------------------------------------------------------------------------------

    /// Keys 3 and 9, which do the same everywhere. `None` when the input is another one.
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

    /// Counts a silence or a wrong key; true when it was the second one in a row.
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
            // Pressed behind the twelfth digit of the last receipt: it has cut off what was being said.
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

    /// Too many steps: whoever has said something gets the receipt, whoever may speak gets to speak, others goodbye.
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

/// A recording's two parts, before and after the warning, in seconds. A short one has one part and no warning.
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
