//! Connecting the caller to the duty inspector.

use super::{Flow, Input};
use crate::call::script::{Script, Verb};
use crate::call::state::Place;
use crate::call::words::Speaker;
use crate::line::Line;
use crate::report::takes::Reached;
use chrono::{DateTime, Utc};

/// Time that the person rung has to press a key after the last word, in seconds. Longer than a caller has, because the
/// telephone was just picked up.
const ACCEPT_SECONDS: u32 = 8;
/// Number of times that the person rung is told which key accepts the call.
const TIMES_ASKED: usize = 2;

/// Returns the script played on the telephone rung before the caller is connected, in the line's first language. It
/// asks for key 1, which a voicemail does not press.
pub fn whisper(line: &Line) -> Script {
    let speaker = Speaker::new(line, &line.languages[0]);
    let mut said = vec![speaker.say(|p| &p.whisper); TIMES_ASKED];
    said.push(Verb::Gather {
        keys: "1".into(),
        seconds: ACCEPT_SECONDS,
    });
    Script(said)
}

impl Flow<'_> {
    pub(super) fn offer_duty(
        &self,
        speaker: &Speaker<'_>,
        said: &mut Vec<Verb>,
        keys: &mut String,
    ) {
        if self.on_duty(0).is_some() {
            said.push(speaker.say(|p| &p.menu_duty));
            keys.push('2');
        }
    }

    /// Returns the index of the first person on duty now, from index `from` on. `None` if there is none, or if the
    /// roster may not be rung in this call ([`State::rings`](crate::call::state::State::rings)).
    pub(super) fn on_duty(&self, from: usize) -> Option<usize> {
        if !self.state.rings {
            return None;
        }
        let schedule = &self.line.schedule;
        self.line.roster.next(schedule, self.context.now, from)
    }

    /// Handles key 2 of the menu: rings the roster, or asks for a report if the roster is busy.
    pub(super) fn ask_for_duty(&mut self) -> Vec<Verb> {
        self.state.silences = 0;
        if self.context.duty_busy {
            return self.nobody_answers(true);
        }
        let mut said = vec![self.speaker().say(|p| &p.connecting)];
        if self.line.roster.record {
            said.push(self.speaker().say(|p| &p.talk_recorded));
        }
        said.extend(self.ring(0, self.context.now));
        said
    }

    /// Rings the first person on duty from index `from` on. Asks for a report if there is none, or if the time for
    /// ringing, which is limited by `RING_IN_ALL`, is used up. `since` is the line time at which the first telephone
    /// began to ring.
    fn ring(&mut self, from: usize, since: DateTime<Utc>) -> Vec<Verb> {
        let roster = &self.line.roster;
        let next = self
            .on_duty(from)
            .zip(roster.ring_for(since, self.context.now));
        let Some((person, ring_seconds)) = next else {
            return self.nobody_answers(false);
        };
        self.state.place = Place::Ringing { person, since };
        let on_duty = &roster.people[person];
        vec![Verb::Connect {
            name: on_duty.name.clone(),
            number: on_duty.number.clone(),
            ring_seconds,
            max_seconds: roster.max_minutes * 60,
            record: roster.record,
        }]
    }

    /// Says that the roster is busy, or else that it did not accept the call, and asks for a report.
    fn nobody_answers(&mut self, busy: bool) -> Vec<Verb> {
        let speaker = self.speaker();
        let mut said = vec![if busy {
            speaker.say(|p| &p.duty_busy)
        } else {
            speaker.say(|p| &p.duty_absent)
        }];
        said.extend(self.guidance());
        said
    }

    pub(super) fn after_ringing(
        &mut self,
        person: usize,
        since: DateTime<Utc>,
        input: &Input,
    ) -> Vec<Verb> {
        if *input == Input::Connected {
            // The call became a report when it was accepted; the receipt lets the caller ask for its status later.
            self.state.reached = self.state.reached.max(Reached::Connected);
            return self.send();
        }
        self.ring(person + 1, since)
    }
}
