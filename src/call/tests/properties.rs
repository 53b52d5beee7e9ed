//! Properties of any call: it ends, it offers a recording, and it keeps every recording.

use super::any::{DEFAULT, END, REPLY, any_input, any_instant, any_line, inputs, stubborn};
use super::*;
use crate::call::catalogue::catalogue;
use crate::call::flow::{Effect, MAX_RECEIPTS, fallback, takes_calls_back, takes_reports};
use crate::call::script::{Piece, Sound};
use crate::call::state::{Earlier, Place};
use crate::line::AfterHours;
use crate::line::hours::{Phase, Standing};
use crate::line::prompts::prompts;
use crate::line::roster::RING_IN_ALL;
use crate::report::takes::Reached;
use chrono::TimeDelta;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Maximum number of silences, from any place, until the recording or the receipt.
const PATIENCE: usize = 5;

/// Returns the keys that a script offers: the digit after each "请按" or "press ".
fn keys_spoken_of(script: &Script) -> BTreeSet<char> {
    words(script)
        .lines()
        .flat_map(|line| {
            let offers = line
                .split("请按")
                .skip(1)
                .chain(line.split("press ").skip(1));
            offers
                .filter_map(|offer| offer.chars().next())
                .collect::<Vec<_>>()
        })
        .filter(char::is_ascii_digit)
        .collect()
}

/// Returns the part of a prompt before its blank.
fn stem(prompt: &str) -> &str {
    prompt.split('{').next().unwrap()
}

fn check_form(caller: &Caller<'_>, gone: bool) -> Result<(), TestCaseError> {
    let verbs = &caller.heard.0;
    if verbs.is_empty() {
        prop_assert!(gone, "silence for somebody who is there");
        return Ok(());
    }
    let ends = |verb: &Verb| !matches!(verb, Verb::Say { .. } | Verb::Play { .. });
    prop_assert_eq!(verbs.iter().filter(|verb| ends(verb)).count(), 1);
    prop_assert!(ends(verbs.last().unwrap()));
    for verb in verbs {
        match verb {
            Verb::Say { text, language } => {
                prop_assert!(
                    !text.is_empty() && !text.to_string().contains(['{', '}']),
                    "{}",
                    text
                );
                prop_assert!(caller.line.languages.contains(language));
            }
            Verb::Play { take } => {
                let current = caller.state.takes.iter().filter(|take| !take.replaced);
                prop_assert!(
                    current
                        .flat_map(|take| &take.steps)
                        .any(|step| step == take)
                );
            }
            Verb::Gather { keys, seconds } => {
                let offered: BTreeSet<char> = keys.chars().collect();
                prop_assert_eq!(offered.len(), keys.len());
                prop_assert_eq!(&offered, &keys_spoken_of(&caller.heard));
                prop_assert!(*seconds > 0);
            }
            Verb::Digits { most, seconds } => {
                prop_assert!(takes_calls_back(&caller.state));
                prop_assert!(matches!(caller.state.place, Place::Receipt(_)));
                prop_assert!(*most == 12 && *seconds > 0);
                prop_assert!(keys_spoken_of(&caller.heard).is_empty());
            }
            Verb::Record { max_seconds, .. } => {
                prop_assert!(
                    takes_reports(caller.line, &caller.state) || caller.state.earlier.is_some(),
                    "no report is taken now"
                );
                prop_assert!(*max_seconds <= caller.line.recording_seconds);
                let place = caller.state.place;
                prop_assert!(matches!(place, Place::Recording { .. }), "{:?}", place);
            }
            Verb::Connect {
                number,
                ring_seconds,
                record,
                ..
            } => {
                let Place::Ringing { person, since } = caller.state.place else {
                    return Err(TestCaseError::fail("rings, and waits for something else"));
                };
                let rung = &caller.line.roster.people[person];
                prop_assert_eq!(number, &rung.number, "only the roster is rung");
                let rang = caller.context.now - since;
                let rings = TimeDelta::seconds(i64::from(*ring_seconds));
                prop_assert!(rang + rings <= RING_IN_ALL, "for ever");
                prop_assert!(!caller.context.duty_busy || rang > TimeDelta::zero() || person > 0);
                prop_assert_eq!(*record, caller.line.roster.record);
            }
            Verb::HangUp => prop_assert_eq!(caller.state.place, Place::Over),
        }
    }
    Ok(())
}

/// The sounds of a line's catalogue, by language and id.
struct Sounds(BTreeMap<String, HashMap<String, Sound>>);

impl Sounds {
    fn of(line: &Line) -> Self {
        let all = |language: &String| {
            let entries = catalogue([line], language).into_iter();
            let sounds = entries.map(|entry| (entry.sound.id.clone(), entry.sound));
            (language.clone(), sounds.collect())
        };
        Self(line.languages.iter().map(all).collect())
    }

    /// Checks that every sound said is in the catalogue, and that text outside it is the reply.
    fn check(&self, script: &Script, replied: Option<&Earlier>) -> Result<(), TestCaseError> {
        for verb in &script.0 {
            let Verb::Say { text, language } = verb else {
                continue;
            };
            for piece in text.pieces() {
                match piece {
                    Piece::Sound(sound) => {
                        prop_assert_eq!(self.0[language].get(&sound.id), Some(sound));
                    }
                    Piece::Mark(mark) => prop_assert!(!mark.contains(char::is_alphanumeric)),
                    Piece::Written(words) => {
                        let reply = replied.and_then(|earlier| earlier.reply.as_ref());
                        prop_assert_eq!(Some(words), reply);
                    }
                }
            }
        }
        Ok(())
    }
}

/// After the end of intake no sentence may imply that a report could be left here, now or later.
fn check_intake_over(caller: &Caller<'_>) -> Result<(), TestCaseError> {
    if caller.state.intake != Standing::After {
        return Ok(());
    }
    let said = words(&caller.heard);
    for language in &caller.line.languages {
        let p = prompts(language);
        for prompt in [
            &p.reopens,
            &p.reopens_today,
            &p.menu_report,
            &p.leave_now,
            &p.menu_inform,
            &p.guidance,
            &p.call_again,
            &p.not_now,
            &p.scope,
            &p.disciplines,
            &p.post,
            &p.letter_boxes,
            &p.intake_ends,
            &p.intake_not_yet,
        ] {
            prop_assert!(!said.contains(stem(prompt)), "{}", said);
        }
    }
    // A caller who calls back can add to a report, and send that with key 1.
    prop_assert!(
        caller.state.earlier.is_some() || !said.contains("请按1") && !said.contains("press 1"),
        "{}",
        said
    );
    Ok(())
}

/// The receipt is said as twelve digits separated by spaces in one sentence, twice, and only after a take or a talk.
fn check_receipt(caller: &Caller<'_>, talked: bool) -> Result<(), TestCaseError> {
    let spaced = RECEIPT
        .chars()
        .map(String::from)
        .collect::<Vec<_>>()
        .join(" ");
    let said = words(&caller.heard);
    let sentences: Vec<&str> = said.lines().filter(|line| line.contains(&spaced)).collect();
    let now = caller.effects.contains(&Effect::ReceiptSpoken);
    prop_assert_eq!(sentences.len(), if now { 2 } else { 0 });
    for sentence in &sentences {
        prop_assert_eq!(sentence.chars().filter(char::is_ascii_digit).count(), 12);
    }
    prop_assert!(!said.contains(RECEIPT));
    if now {
        prop_assert!(caller.state.earlier.is_none(), "whoever adds has a receipt");
        prop_assert!(!caller.state.takes.is_empty() || talked);
        prop_assert!(caller.state.receipt_spoken);
        prop_assert_eq!(caller.state.reached, Reached::Receipt);
        prop_assert_eq!(caller.waits(), Waits::HungUp);
    }
    Ok(())
}

/// Every recorded step is in exactly one take, in order; takes are never removed, and are marked as replaced only by a
/// later one.
fn check_takes(recorded: &[u32], before: &State, caller: &Caller<'_>) -> Result<(), TestCaseError> {
    let takes = &caller.state.takes;
    let kept: Vec<u32> = takes.iter().flat_map(|take| take.steps.clone()).collect();
    prop_assert_eq!(&kept, recorded);
    prop_assert!(takes.len() >= before.takes.len());
    let mut set_back = Vec::new();
    for (old, new) in before.takes.iter().zip(takes) {
        prop_assert!(new.steps.starts_with(&old.steps));
        prop_assert!(new.replaced || !old.replaced, "a take came back");
        if new.replaced && !old.replaced {
            set_back.extend(&new.steps);
        }
    }
    prop_assert!(
        takes.last().is_none_or(|take| !take.replaced),
        "nothing stands in its place"
    );
    let told: Vec<_> = caller
        .effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Replaced { steps, by } => Some((steps.clone(), *by)),
            Effect::ReceiptSpoken | Effect::WrongKey => None,
        })
        .collect();
    if set_back.is_empty() {
        prop_assert_eq!(told, []);
    } else {
        prop_assert_eq!(told, [(set_back, before.step)]);
    }
    Ok(())
}

/// Where the phase accepts reports, silence alone leads to a recording, or sends the takes, or ends a call that has
/// called back.
fn check_silence(caller: &Caller<'_>) -> Result<(), TestCaseError> {
    let state = &caller.state;
    let asks = matches!(caller.waits(), Waits::Keys(_) | Waits::Digits(_));
    if !takes_reports(caller.line, state) || !asks {
        return Ok(());
    }
    let mut silent = Caller {
        line: caller.line,
        context: caller.context,
        state: state.clone(),
        heard: Script::default(),
        effects: Vec::new(),
    };
    for _ in 0..PATIENCE {
        silent.does(Input::Nothing);
        match silent.waits() {
            Waits::Record(_) => return Ok(()),
            Waits::HungUp => {
                // A caller who heard the status of their report needs no recording.
                let heard = silent.state.earlier.is_some();
                prop_assert!(silent.state.receipt_spoken || heard, "a dead end");
                return Ok(());
            }
            Waits::Keys(_) | Waits::Digits(_) | Waits::Ringing(_) | Waits::Nobody => {}
        }
    }
    prop_assert!(false, "silence leads nowhere");
    Ok(())
}

/// After a report is found every recording belongs to it; before, the reply is not said, and wrong receipts are
/// counted.
fn check_calling_back(before: &State, caller: &Caller<'_>) -> Result<(), TestCaseError> {
    let state = &caller.state;
    prop_assert!(state.wrong_receipts <= MAX_RECEIPTS);
    prop_assert!(state.wrong_receipts >= before.wrong_receipts);
    if let Some(earlier) = &before.earlier {
        prop_assert_eq!(Some(earlier), state.earlier.as_ref());
        prop_assert_eq!(before.wrong_receipts, state.wrong_receipts);
    }
    if state.earlier.is_some() {
        prop_assert!(takes_calls_back(state));
    } else {
        prop_assert!(!words(&caller.heard).contains(REPLY));
    }
    if before.earlier.is_none() && state.earlier.is_some() {
        prop_assert!(matches!(before.place, Place::Receipt(_)));
        prop_assert!(
            before.takes.is_empty(),
            "what was said before is another report"
        );
    }
    if before.wrong_receipts == MAX_RECEIPTS {
        prop_assert!(!matches!(state.place, Place::Receipt(_)));
    }
    Ok(())
}

fn same(a: &State, b: &State) -> bool {
    a == b
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn any_call_keeps_every_rule(
        line in any_line(), now in any_instant(), inputs in inputs(),
        passed in proptest::collection::vec((0i64..40, any::<[bool; 2]>()), END as usize + 10),
    ) {
        let sounds = Sounds::of(&line);
        let mut caller = Caller::dial(&line, now);
        let mut recorded = Vec::new();
        let mut gone = false;
        check_form(&caller, gone)?;
        sounds.check(&caller.heard, None)?;
        check_intake_over(&caller)?;
        check_receipt(&caller, false)?;
        check_silence(&caller)?;
        for (input, (seconds, [duty_busy, reply_sounds])) in inputs.into_iter().zip(passed) {
            let now = caller.context.now + TimeDelta::seconds(seconds);
            caller.context = flow::Context { now, duty_busy, reply_sounds };
            let before = caller.state.clone();
            let talked = input == Input::Connected && matches!(before.place, Place::Ringing { .. });
            if matches!(input, Input::Recorded { .. }) {
                recorded.push(before.step);
            }
            gone |= matches!(
                input,
                Input::HungUp | Input::Recorded { end: Some(RecordingEnd::HangUp), .. }
            );

            // A state restored from its stored form gives the same result.
            let kept = serde_json::to_string(&before).unwrap();
            let thawed: State = serde_json::from_str(&kept).unwrap();
            prop_assert!(same(&thawed, &before));
            let again = flow::next(&line, caller.context, thawed, input.clone());
            caller.does(input);
            prop_assert!(same(&again.state, &caller.state));
            prop_assert_eq!(&again.script, &caller.heard);
            prop_assert_eq!(&again.effects, &caller.effects);

            prop_assert_eq!(caller.state.step, before.step + 1);
            prop_assert_eq!(caller.state.phase, before.phase, "a call keeps its phase");
            prop_assert!(caller.state.reached >= before.reached);
            check_form(&caller, gone)?;
            sounds.check(&caller.heard, caller.state.earlier.as_ref().filter(|_| reply_sounds))?;
            check_intake_over(&caller)?;
            check_receipt(&caller, talked)?;
            check_takes(&recorded, &before, &caller)?;
            check_calling_back(&before, &caller)?;
            if !gone {
                check_silence(&caller)?;
            }
            if before.receipt_spoken {
                prop_assert!(!caller.effects.contains(&Effect::ReceiptSpoken), "the receipt is spoken once");
            }
            if before.place == Place::Over {
                prop_assert_eq!(caller.state.place, Place::Over);
            }
        }
    }

    #[test]
    fn any_call_ends(line in any_line(), now in any_instant(), inputs in inputs(), last in any_input()) {
        let mut caller = Caller::dial(&line, now);
        for input in inputs.into_iter().chain(std::iter::repeat(last)).map(stubborn) {
            if caller.waits() == Waits::HungUp {
                return Ok(());
            }
            prop_assert!(caller.state.step <= END, "still going on at step {}", caller.state.step);
            caller.does(input);
        }
    }

    #[test]
    fn pure_silence_leads_to_the_recording_wherever_reports_are_taken(line in any_line(), now in any_instant()) {
        let mut caller = Caller::dial(&line, now);
        let takes = takes_reports(&line, &caller.state);
        let mut asked = false;
        for _ in 0..10 {
            asked |= matches!(caller.waits(), Waits::Record(_));
            if caller.waits() == Waits::HungUp {
                break;
            }
            caller.does(Input::Nothing);
        }
        prop_assert_eq!(caller.waits(), Waits::HungUp);
        prop_assert_eq!(asked, takes);
        prop_assert_eq!(caller.state.reached, if takes { Reached::Guidance } else { Reached::Greeting });
    }

    /// A caller who hangs up at any point keeps their takes.
    #[test]
    fn hanging_up_keeps_what_was_said(
        line in any_line(), now in any_instant(), inputs in inputs(), stop in 0usize..20
    ) {
        let mut caller = Caller::dial(&line, now);
        for input in inputs.into_iter().take(stop) {
            caller.does(input);
        }
        let before = caller.state.clone();
        caller.does(Input::HungUp);
        prop_assert_eq!(&caller.state.takes, &before.takes);
        prop_assert_eq!(caller.waits(), Waits::Nobody);
        prop_assert_eq!(caller.state.place, Place::Over);
    }

    /// The answer while the database is down: the sentences of the phase, and a recording if the phase accepts reports.
    #[test]
    fn the_fallback_answer_needs_nothing_but_the_line(line in any_line(), now in any_instant()) {
        let state = flow::answer(&line, now, RECEIPT.to_owned(), true).state;
        let script = fallback(&line, now, true);
        let end = waits(&script);
        if takes_reports(&line, &state) {
            prop_assert_eq!(end, Waits::Record(line.recording_seconds));
        } else {
            prop_assert_eq!(end, Waits::HungUp);
        }
        prop_assert_eq!(script.0.iter().filter(|verb| matches!(verb, Verb::Gather { .. })).count(), 0);
        prop_assert!(keys_spoken_of(&script).is_empty(), "no key works in it");
        let unrecorded = fallback(&line, now, false);
        prop_assert_eq!(waits(&unrecorded), Waits::HungUp);
        let sounds = Sounds::of(&line);
        sounds.check(&script, None)?;
        sounds.check(&unrecorded, None)?;
        sounds.check(&flow::whisper(&line), None)?;
        sounds.check(&flow::not_in_service([&line]), None)?;
        sounds.check(&flow::goodbye(&line, 0), None)?;
    }
}

/// The random instants above may miss a phase; this test covers each of them.
#[test]
fn every_phase_takes_what_it_should() {
    for (time, phase, message, report) in [
        ("2024-03-05T09:00", Phase::NotStarted, false, false),
        ("2024-03-06T08:29", Phase::AfterHours, false, true),
        ("2024-03-06T08:30", Phase::Open, true, true),
        ("2024-03-06T12:00", Phase::Break, false, true),
        ("2024-04-11T09:00", Phase::Holiday, false, true),
        ("2024-06-14T20:00", Phase::AfterHours, false, true),
        ("2024-06-15T09:00", Phase::Holiday, false, false),
        ("2024-06-17T08:30", Phase::IntakeClosed, false, false),
        ("2024-06-17T12:00", Phase::Break, false, false),
        ("2024-06-21T18:00", Phase::AfterHours, false, false),
        ("2024-06-22T09:00", Phase::Ended, false, false),
    ] {
        let mut line = DEFAULT.clone();
        for (after_hours, taken) in [(AfterHours::Message, message), (AfterHours::Report, report)] {
            line.after_hours = after_hours;
            let caller = Caller::dial(&line, at(time));
            assert_eq!(caller.state.phase, phase, "{time}");
            assert_eq!(
                takes_reports(&line, &caller.state),
                taken,
                "{time} {after_hours:?}"
            );
            let Waits::Keys(keys) = caller.waits() else {
                panic!("{time}: the message waits for a key");
            };
            assert_eq!(keys.contains('1'), taken, "{time}");
            let outside = matches!(phase, Phase::NotStarted | Phase::Ended);
            assert_eq!(keys.contains('4'), !outside, "{time}");
        }
    }
}
