//! Recording a report: the guidance, the recordings, the review, the receipt.

use super::{Effect, Flow, Input, MAX_STEPS, MAX_TAKES, gather, parts, record, takes_reports};
use crate::call::script::{RecordingEnd, Verb};
use crate::call::state::{Place, Purpose};
use crate::report::takes::{Reached, Take};

impl Flow<'_> {
    pub(super) fn guidance(&mut self) -> Vec<Verb> {
        let said = vec![self.speaker().say(|p| &p.guidance)];
        self.recording(said, Purpose::Add, false)
    }

    pub(super) fn recording(
        &mut self,
        mut said: Vec<Verb>,
        purpose: Purpose,
        last_minute: bool,
    ) -> Vec<Verb> {
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

    pub(super) fn after_recording(
        &mut self,
        purpose: Purpose,
        last_minute: bool,
        input: Input,
    ) -> Vec<Verb> {
        let Input::Recorded { end, seconds } = input else {
            // Silence in the last minute is not counted: the take exists already.
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
        // If the provider does not report how a recording ended, its length shows whether the limit was reached;
        // without a length it counts as not reached.
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

    /// Keeps a recording that the script did not ask for: one made by a fallback answer while nothing could be stored.
    pub(super) fn unasked_recording(&mut self, end: Option<RecordingEnd>) -> Vec<Verb> {
        self.keep_take(Purpose::Add, false, self.state.step);
        if end == Some(RecordingEnd::HangUp) {
            self.state.place = Place::Over;
            Vec::new()
        } else if self.adds() || takes_reports(self.line, self.state) {
            self.review()
        } else {
            // The review would offer to record more, which this phase does not accept.
            self.send()
        }
    }

    /// Handles input after the end of the conversation: says goodbye. A recording is kept.
    pub(super) fn after_all(&mut self, input: Input) -> Vec<Verb> {
        if matches!(input, Input::Recorded { .. }) {
            self.keep_take(Purpose::Add, false, self.state.step);
        }
        self.say_goodbye()
    }

    pub(super) fn nothing_recorded(&mut self, purpose: Purpose) -> Vec<Verb> {
        self.state.silences += 1;
        let mut said = vec![self.speaker().say(|p| &p.nothing_heard)];
        if self.has_takes() {
            // Nothing new was recorded: the previous takes are unchanged.
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

    pub(super) fn keep_take(&mut self, purpose: Purpose, last_minute: bool, step: u32) {
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

    pub(super) fn review(&mut self) -> Vec<Verb> {
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

    pub(super) fn at_review(&mut self, input: Input) -> Vec<Verb> {
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
            _ if self.silence(&input) => self.send(),
            _ => {
                let mut said = self.wrong_key(&input);
                said.extend(self.review());
                said
            }
        }
    }

    pub(super) fn send(&mut self) -> Vec<Verb> {
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
        let speaker = self.speaker();
        vec![
            speaker.say(|p| &p.sent),
            speaker.receipt(&self.state.receipt),
            speaker.say(|p| &p.write_down),
            speaker.say(|p| &p.once_more),
            speaker.receipt(&self.state.receipt),
            speaker.say(|p| &p.goodbye),
            Verb::HangUp,
        ]
    }
}
