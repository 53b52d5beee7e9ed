//! The menu of a line that is not open.

use super::{Flow, Input, gather, takes_reports};
use crate::call::script::Verb;
use crate::call::state::{Asked, Place};

impl Flow<'_> {
    /// Returns what a closed line says first: the sentences of the phase, the menu, the addresses for letters. The
    /// addresses come last, because they take half a minute and a caller need not wait for them.
    pub(super) fn closed(&mut self) -> Vec<Verb> {
        let speaker = self.speaker();
        let mut said = speaker.closed(self.state);
        let addresses = speaker.closed_addresses(self.state);
        said.extend(self.closed_menu(addresses));
        said
    }

    pub(super) fn closed_menu(&mut self, addresses: Vec<Verb>) -> Vec<Verb> {
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

    pub(super) fn at_closed(&mut self, input: Input) -> Vec<Verb> {
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
}
