//! The conversation: `(line, now, state, input) -> (state, effects, script)`.
//!
//! No I/O, no clock, no randomness. Whatever the inputs, a call ends after at most [`MAX_STEPS`] steps and a
//! few more to finish; whenever the phase takes reports, doing nothing leads to a recording; and no recording
//! once made is ever dropped: a take that is said again is kept and marked.
//!
//! Whoever calls back types a receipt. Whether it has its check digit is seen here; what stands behind it is looked up
//! before, and comes in with the digits.

use super::script::{Language, RecordingEnd, Script, Verb};
use super::state::{Asked, Earlier, Place, Purpose, Reached, State, Take};
use super::words::Speaker;
use crate::hidden::Hidden;
use crate::line::hours::{Phase, Standing};
use crate::line::{AfterHours, Line};
use crate::report::receipt::{DIGITS, Receipt};
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
pub const MOST_RECEIPTS: u8 = 3;
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
    /// Nobody looked: there were too many tries, or there was no time.
    NotLooked,
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
pub fn answer(line: &Line, now: DateTime<Utc>, receipt: String) -> Turn {
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
        earlier: None,
    };
    let script = begin(line, &mut state);
    Turn {
        state,
        effects: Vec::new(),
        script,
    }
}

/// Takes the answer to step `state.step` and says what comes next. `now` is line time.
pub fn next(line: &Line, mut state: State, input: Input) -> Turn {
    let mut effects = Vec::new();
    let script = {
        let mut flow = Flow {
            line,
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
/// provider where the phase takes reports.
pub fn blunt(line: &Line, now: DateTime<Utc>) -> Script {
    let turn = answer(line, now, String::new());
    let speaker = Speaker::new(line, &line.languages[0]);
    let mut said = vec![speaker.greeting()];
    if takes_reports(line, &turn.state) {
        said.extend(speaker_closed(&speaker, &turn.state));
        said.push(speaker.say(|p| &p.guidance));
        said.push(record(line.recording_seconds));
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

/// What a caller hears at a number no line has, in these languages one after the other.
pub fn not_in_service(languages: &[&str]) -> Script {
    let mut said: Vec<_> = languages
        .iter()
        .map(|language| Verb::Say {
            text: super::prompts::prompts(language).not_in_service.clone(),
            language: (*language).to_owned(),
        })
        .collect();
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
fn begin(line: &Line, state: &mut State) -> Script {
    let mut effects = Vec::new();
    let mut flow = Flow {
        line,
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
            Input::Key('4') if self.may_call_back() => self.ask_receipt(Asked::First),
            _ => match self.common_key(&input) {
                Some(mut said) => {
                    said.extend(self.menu());
                    said
                }
                // Nothing pressed, twice: whoever cannot press keys can still speak.
                None if self.silence() => self.guidance(),
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
                None if self.silence() => {
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

    // --- calling back with a receipt -----------------------------------------------------------------

    fn may_call_back(&self) -> bool {
        takes_calls_back(self.state) && self.state.wrong_receipts < MOST_RECEIPTS
    }

    fn offer_call_back(&self, speaker: &Speaker<'_>, said: &mut Vec<Verb>, keys: &mut String) {
        if self.may_call_back() {
            said.push(speaker.say(|p| &p.menu_call_back));
            keys.push('4');
        }
    }

    fn ask_receipt(&mut self, asked: Asked) -> Vec<Verb> {
        self.state.place = Place::Receipt(asked);
        self.state.silences = 0;
        self.receipt_question(asked)
    }

    fn receipt_question(&self, asked: Asked) -> Vec<Verb> {
        let speaker = self.speaker();
        let mut said = match asked {
            Asked::First => Vec::new(),
            Asked::Mistyped => vec![speaker.say(|p| &p.mistyped)],
            Asked::Unknown => vec![speaker.say(|p| &p.unknown_receipt)],
            Asked::Later => vec![speaker.say(|p| &p.try_later)],
        };
        said.push(speaker.say(|p| &p.type_receipt));
        said.push(Verb::Digits {
            most: DIGITS as u32,
            seconds: DIGIT_SECONDS,
        });
        said
    }

    fn at_receipt(&mut self, asked: Asked, input: Input) -> Vec<Verb> {
        let Input::Typed { keys, found } = input else {
            // All of it once more, also what was wrong: a `#` behind the last digit has cut it off.
            return if self.silence() {
                self.back_to_menu()
            } else {
                self.receipt_question(asked)
            };
        };
        if Receipt::parse(keys.show()).is_err() {
            return self.wrong_receipt(Asked::Mistyped);
        }
        match found {
            Found::Report(earlier) => {
                self.state.earlier = Some(earlier);
                self.state.silences = 0;
                self.state.reached = self.state.reached.max(Reached::CalledBack);
                self.earlier()
            }
            Found::Nothing => self.wrong_receipt(Asked::Unknown),
            Found::NotLooked => self.ask_receipt(Asked::Later),
        }
    }

    fn wrong_receipt(&mut self, asked: Asked) -> Vec<Verb> {
        self.state.wrong_receipts += 1;
        if self.may_call_back() {
            return self.ask_receipt(asked);
        }
        self.state.silences = 0;
        self.no_more_receipts()
    }

    /// Where else to turn, and the menu where a new report is taken.
    fn no_more_receipts(&mut self) -> Vec<Verb> {
        let speaker = self.speaker();
        let mut said = vec![speaker.say(|p| &p.no_more_tries)];
        said.extend(speaker.elsewhere());
        said.extend(if takes_reports(self.line, self.state) {
            self.menu_again()
        } else {
            self.say_goodbye()
        });
        said
    }

    fn back_to_menu(&mut self) -> Vec<Verb> {
        self.state.silences = 0;
        self.menu_again()
    }

    fn menu_again(&mut self) -> Vec<Verb> {
        if self.state.phase == Phase::Open && takes_reports(self.line, self.state) {
            self.menu()
        } else {
            self.closed_menu(Vec::new())
        }
    }

    /// Where the earlier report stands, what is answered, and what can be done.
    fn earlier(&mut self) -> Vec<Verb> {
        self.state.place = Place::Earlier;
        let speaker = self.speaker();
        let mut said = Vec::new();
        if let Some(earlier) = &self.state.earlier {
            said.push(speaker.status(earlier.status));
            if let Some(reply) = &earlier.reply {
                said.push(speaker.say(|p| &p.reply));
                // Written in the first language, whatever is spoken now.
                let first = Speaker::new(self.line, language_of(self.line, 0));
                said.push(first.written(reply.show()));
            }
        }
        said.extend(self.earlier_menu());
        said
    }

    fn earlier_menu(&self) -> [Verb; 2] {
        let speaker = self.speaker();
        [speaker.say(|p| &p.menu_earlier), gather(String::from("12"))]
    }

    fn at_earlier(&mut self, input: Input) -> Vec<Verb> {
        match input {
            Input::Key('1') => {
                let said = vec![self.speaker().say(|p| &p.guidance_add)];
                self.recording(said, Purpose::Add, false)
            }
            Input::Key('2') => {
                self.state.silences = 0;
                self.earlier()
            }
            _ if self.silence() => self.say_goodbye(),
            // Pressed behind the twelfth digit, which needed none: it has cut off what was being said.
            Input::Key('#') => self.earlier(),
            _ => {
                let mut said = self.wrong_key(&input);
                said.extend(self.earlier_menu());
                said
            }
        }
    }

    /// What is recorded belongs to an earlier report.
    fn adds(&self) -> bool {
        self.state.earlier.is_some()
    }

    // --- taking down a report ------------------------------------------------------------------------

    fn guidance(&mut self) -> Vec<Verb> {
        let said = vec![self.speaker().say(|p| &p.guidance)];
        self.recording(said, Purpose::Add, false)
    }

    fn recording(&mut self, mut said: Vec<Verb>, purpose: Purpose, last_minute: bool) -> Vec<Verb> {
        if !matches!(self.state.place, Place::Recording { .. }) {
            self.state.silences = 0;
        }
        self.state.place = Place::Recording {
            purpose,
            last_minute,
        };
        self.state.reached = self.state.reached.max(Reached::Guidance);
        let (first, rest) = parts(self.line.recording_seconds);
        said.push(record(if last_minute { rest } else { first }));
        said
    }

    fn after_recording(&mut self, purpose: Purpose, last_minute: bool, input: Input) -> Vec<Verb> {
        let Input::Recorded { end, seconds } = input else {
            // The last minute left unused is no silence: the take is there.
            return if last_minute {
                self.review()
            } else {
                self.nothing_recorded(purpose)
            };
        };
        let step = self.state.step;
        self.keep_take(purpose, last_minute, step);
        self.state.silences = 0;
        let (first, rest) = parts(self.line.recording_seconds);
        let limit = if last_minute { rest } else { first };
        // A provider that does not say how a recording ended tells by its length.
        let at_limit = match end {
            Some(end) => end == RecordingEnd::Limit,
            None => seconds.is_some_and(|seconds| seconds >= limit),
        };
        if end == Some(RecordingEnd::HangUp) {
            self.state.place = Place::Over;
            return Vec::new();
        }
        if at_limit && !last_minute && rest > 0 {
            let said = vec![self.speaker().say(|p| &p.one_minute)];
            return self.recording(said, purpose, true);
        }
        let mut said = Vec::new();
        if at_limit {
            said.push(self.speaker().say(|p| &p.time_is_up));
        }
        said.extend(self.review());
        said
    }

    /// One made while nobody could write it down: it was said, so it is kept.
    fn unasked_recording(&mut self, end: Option<RecordingEnd>) -> Vec<Verb> {
        self.keep_take(Purpose::Add, false, self.state.step);
        if end == Some(RecordingEnd::HangUp) {
            self.state.place = Place::Over;
            Vec::new()
        } else if self.adds() || takes_reports(self.line, self.state) {
            self.review()
        } else {
            // The review would offer to say more, and this phase takes nothing more.
            self.send()
        }
    }

    /// Something comes when all was said. A recording is kept even then.
    fn after_all(&mut self, input: Input) -> Vec<Verb> {
        if matches!(input, Input::Recorded { .. }) {
            self.keep_take(Purpose::Add, false, self.state.step);
        }
        self.say_goodbye()
    }

    fn nothing_recorded(&mut self, purpose: Purpose) -> Vec<Verb> {
        self.state.silences += 1;
        let mut said = vec![self.speaker().say(|p| &p.nothing_heard)];
        if self.has_takes() {
            // Nothing new was said: what was said before stands.
            said.extend(self.review());
            said
        } else if self.state.silences < 2 && self.state.step < MAX_STEPS {
            said.push(if self.adds() {
                self.speaker().say(|p| &p.guidance_add)
            } else {
                self.speaker().say(|p| &p.guidance)
            });
            self.recording(said, purpose, false)
        } else if self.adds() {
            said.extend(self.say_goodbye());
            said
        } else {
            self.state.place = Place::Over;
            said.push(self.speaker().say(|p| &p.call_again));
            said.push(Verb::HangUp);
            said
        }
    }

    fn keep_take(&mut self, purpose: Purpose, last_minute: bool, step: u32) {
        self.state.reached = self.state.reached.max(Reached::Recording);
        if last_minute && let Some(take) = self.state.takes.last_mut() {
            take.steps.push(step);
            return;
        }
        if purpose == Purpose::Again {
            let mut steps = Vec::new();
            for take in self.state.takes.iter_mut().filter(|take| !take.replaced) {
                take.replaced = true;
                steps.extend(&take.steps);
            }
            if !steps.is_empty() {
                self.effects.push(Effect::Replaced { steps, by: step });
            }
        }
        self.state.takes.push(Take {
            steps: vec![step],
            replaced: false,
        });
    }

    fn review(&mut self) -> Vec<Verb> {
        if self.state.step >= MAX_STEPS {
            return self.send();
        }
        if self.state.place != Place::Review {
            self.state.silences = 0;
        }
        self.state.place = Place::Review;
        vec![
            self.speaker().say(|p| &p.review),
            gather(String::from("1234")),
        ]
    }

    fn at_review(&mut self, input: Input) -> Vec<Verb> {
        let full = self.state.takes.len() >= MAX_TAKES;
        match input {
            Input::Key('1') => self.send(),
            Input::Key('2') => {
                self.state.silences = 0;
                let mut said: Vec<_> = self
                    .state
                    .takes
                    .iter()
                    .filter(|take| !take.replaced)
                    .flat_map(|take| &take.steps)
                    .map(|step| Verb::Play { take: *step })
                    .collect();
                said.push(self.speaker().say(|p| &p.recorded));
                said.extend(self.review());
                said
            }
            Input::Key('3' | '4') if full => {
                let mut said = vec![self.speaker().say(|p| &p.no_more_takes)];
                said.extend(self.review());
                said
            }
            Input::Key('3') => {
                let said = vec![self.speaker().say(|p| &p.guidance_again)];
                self.recording(said, Purpose::Again, false)
            }
            Input::Key('4') => {
                let said = vec![self.speaker().say(|p| &p.guidance_add)];
                self.recording(said, Purpose::Add, false)
            }
            _ if self.silence() => self.send(),
            _ => {
                let mut said = self.wrong_key(&input);
                said.extend(self.review());
                said
            }
        }
    }

    fn send(&mut self) -> Vec<Verb> {
        self.state.place = Place::Over;
        if self.adds() {
            self.state.reached = Reached::Added;
            let speaker = self.speaker();
            return vec![
                speaker.say(|p| &p.added),
                speaker.say(|p| &p.receipt_stays),
                speaker.say(|p| &p.goodbye),
                Verb::HangUp,
            ];
        }
        self.state.reached = Reached::Receipt;
        self.state.receipt_spoken = true;
        self.effects.push(Effect::ReceiptSpoken);
        let spaced = spaced(&self.state.receipt);
        let speaker = self.speaker();
        vec![
            speaker.say(|p| &p.sent),
            speaker.receipt(&spaced),
            speaker.say(|p| &p.write_down),
            speaker.say(|p| &p.once_more),
            speaker.receipt(&spaced),
            speaker.say(|p| &p.goodbye),
            Verb::HangUp,
        ]
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
    fn silence(&mut self) -> bool {
        self.state.silences += 1;
        self.state.silences >= 2
    }

    fn wrong_key(&self, input: &Input) -> Vec<Verb> {
        let in_menu = matches!(self.state.place, Place::Menu | Place::Closed);
        match input {
            // Pressed behind the twelfth digit of the last receipt: it has cut off what was being said.
            Input::Key('#') if in_menu && self.state.wrong_receipts >= MOST_RECEIPTS => {
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
        begin(self.line, self.state).0
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

/// Digits as they are spoken: one by one.
fn spaced(digits: &str) -> String {
    let mut spaced = String::with_capacity(2 * digits.len());
    for digit in digits.chars() {
        if !spaced.is_empty() {
            spaced.push(' ');
        }
        spaced.push(digit);
    }
    spaced
}
