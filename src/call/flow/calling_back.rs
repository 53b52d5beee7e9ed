//! Calling back with a receipt.

use super::{
    DIGIT_SECONDS, Flow, Found, Input, MAX_RECEIPTS, gather, language_of, takes_calls_back,
    takes_reports,
};
use crate::call::script::Verb;
use crate::call::state::{Asked, Place, Purpose};
use crate::call::words::Speaker;
use crate::line::hours::Phase;
use crate::report::receipt::{DIGITS, Receipt};
use crate::report::takes::Reached;

impl Flow<'_> {
    pub(super) fn may_call_back(&self) -> bool {
        takes_calls_back(self.state) && self.state.wrong_receipts < MAX_RECEIPTS
    }

    pub(super) fn offer_call_back(
        &self,
        speaker: &Speaker<'_>,
        said: &mut Vec<Verb>,
        keys: &mut String,
    ) {
        if self.may_call_back() {
            said.push(speaker.say(|p| &p.menu_call_back));
            keys.push('4');
        }
    }

    pub(super) fn ask_receipt(&mut self, asked: Asked) -> Vec<Verb> {
        self.state.place = Place::Receipt(asked);
        self.state.silences = 0;
        self.receipt_question(asked)
    }

    pub(super) fn receipt_question(&self, asked: Asked) -> Vec<Verb> {
        let speaker = self.speaker();
        let mut said = match asked {
            Asked::First => Vec::new(),
            Asked::Mistyped => vec![speaker.say(|p| &p.mistyped)],
            Asked::Unknown => vec![speaker.say(|p| &p.unknown_receipt)],
            Asked::Later => vec![speaker.say(|p| &p.try_later)],
            Asked::Again => vec![speaker.say(|p| &p.not_looked_up)],
        };
        said.push(speaker.say(|p| &p.type_receipt));
        said.push(Verb::Digits {
            most: DIGITS as u32,
            seconds: DIGIT_SECONDS,
        });
        said
    }

    pub(super) fn at_receipt(&mut self, asked: Asked, input: Input) -> Vec<Verb> {
        let Input::Typed { keys, found } = input else {
            // Repeats the error as well as the question: a `#` after the last digit may have interrupted both.
            return if self.silence(&Input::Nothing) {
                self.back_to_menu()
            } else {
                self.receipt_question(asked)
            };
        };
        if Receipt::parse(keys.expose()).is_err() {
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
            Found::Shared => self.shared_receipt(),
            Found::TooMany => self.ask_receipt(Asked::Later),
            Found::NoTime => self.ask_receipt(Asked::Again),
        }
    }

    /// Handles a receipt that two callers were told, and that opens neither report: asks for a new report if the phase
    /// accepts reports; otherwise says where else to report, and goodbye.
    fn shared_receipt(&mut self) -> Vec<Verb> {
        self.state.silences = 0;
        let speaker = self.speaker();
        let mut said = vec![speaker.say(|p| &p.shared_receipt)];
        if takes_reports(self.line, self.state) {
            said.extend(self.guidance());
        } else {
            said.extend(speaker.elsewhere());
            said.extend(self.say_goodbye());
        }
        said
    }

    pub(super) fn wrong_receipt(&mut self, asked: Asked) -> Vec<Verb> {
        self.state.wrong_receipts += 1;
        if self.may_call_back() {
            return self.ask_receipt(asked);
        }
        self.state.silences = 0;
        self.no_more_receipts()
    }

    /// Says that the report was not found and where else to report; then the menu if the phase accepts reports,
    /// otherwise goodbye.
    pub(super) fn no_more_receipts(&mut self) -> Vec<Verb> {
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

    pub(super) fn back_to_menu(&mut self) -> Vec<Verb> {
        self.state.silences = 0;
        self.menu_again()
    }

    pub(super) fn menu_again(&mut self) -> Vec<Verb> {
        if self.state.phase == Phase::Open && takes_reports(self.line, self.state) {
            self.menu()
        } else {
            self.closed_menu(Vec::new())
        }
    }

    /// Says the status of the earlier report, its reply if there is one, and the menu. If the reply cannot be said,
    /// asks the caller to call during duty hours for it.
    pub(super) fn earlier(&mut self) -> Vec<Verb> {
        self.state.place = Place::Earlier;
        let speaker = self.speaker();
        let mut said = Vec::new();
        if let Some(earlier) = &self.state.earlier {
            said.push(speaker.status(earlier.status));
            match &earlier.reply {
                Some(reply) if self.context.reply_sounds => {
                    said.push(speaker.say(|p| &p.reply));
                    // A reply is written in the line's first language, whichever language is spoken now.
                    let first = Speaker::new(self.line, language_of(self.line, 0));
                    said.push(first.written(reply.expose()));
                }
                Some(_) => said.push(speaker.say(|p| &p.reply_by_people)),
                None => {}
            }
        }
        said.extend(self.earlier_menu());
        said
    }

    pub(super) fn earlier_menu(&self) -> [Verb; 2] {
        let speaker = self.speaker();
        [speaker.say(|p| &p.menu_earlier), gather(String::from("12"))]
    }

    pub(super) fn at_earlier(&mut self, input: Input) -> Vec<Verb> {
        match input {
            Input::Key('1') => {
                let said = vec![self.speaker().say(|p| &p.guidance_add)];
                self.recording(said, Purpose::Add, false)
            }
            Input::Key('2') => {
                self.state.silences = 0;
                self.earlier()
            }
            _ if self.silence(&input) => self.say_goodbye(),
            // A `#` pressed after the twelfth digit, where none is needed, may have interrupted what was being said, so
            // it is said again.
            Input::Key('#') => self.earlier(),
            _ => {
                let mut said = self.wrong_key(&input);
                said.extend(self.earlier_menu());
                said
            }
        }
    }

    /// True if the caller has called back about an earlier report. Recordings are then added to it.
    pub(super) fn adds(&self) -> bool {
        self.state.earlier.is_some()
    }
}
