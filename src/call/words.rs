//! Builds the sentences of a script from the prompts, the line's own words and the state of the call.

use super::script::{Spoken, Verb};
use super::state::State;
use crate::line::dates::{date_in_words, digits_in_words, time_in_words};
use crate::line::hours::{Phase, Standing};
use crate::line::prompts::{Prompt, Prompts};
use crate::line::{Line, LineWords};
use crate::report::status::Status;
use chrono::NaiveDate;
use std::sync::LazyLock;

/// Builds sentences of one line in one language.
pub(super) struct Speaker<'a> {
    pub line: &'a Line,
    pub language: &'a str,
    pub words: &'a LineWords,
}

/// The words of a line in a language that it does not speak: none of its own, and the prompts of the first embedded
/// language.
static NO_WORDS: LazyLock<LineWords> = LazyLock::new(LineWords::default);

impl<'a> Speaker<'a> {
    /// Creates a speaker of `language` for this line.
    pub fn new(line: &'a Line, language: &'a str) -> Self {
        Self {
            line,
            language,
            words: line.words.get(language).unwrap_or(&NO_WORDS),
        }
    }

    /// Returns the prompts of this language.
    pub fn prompts(&self) -> &'a Prompts {
        &self.words.prompts
    }

    /// Says the prompt that `choose` selects, which has no blank.
    pub fn say(&self, choose: impl Fn(&Prompts) -> &Prompt) -> Verb {
        self.speak(choose(self.prompts()).say())
    }

    /// Says text written by a member in this language.
    pub fn written(&self, text: &str) -> Verb {
        self.speak(Spoken::written(text))
    }

    /// Says the status of a report to the caller who made it.
    pub fn status(&self, status: Status) -> Verb {
        self.say(|p| match status {
            Status::Queued => &p.is_queued,
            Status::Claimed => &p.is_claimed,
            Status::Closed => &p.is_closed,
        })
    }

    fn speak(&self, text: Spoken) -> Verb {
        Verb::Say {
            text,
            language: self.language.to_owned(),
        }
    }

    /// Says the greeting, which contains the name of the team.
    pub fn greeting(&self) -> Verb {
        self.speak(
            self.prompts()
                .greeting
                .fill(self.own("name", &self.words.name)),
        )
    }

    /// Says "For English, press 9", in the language `next` that is offered. `None` if `next` is `None`, because the
    /// line has only one language.
    pub fn offer_language(&self, next: Option<&str>) -> Option<Verb> {
        next.map(|language| Verb::Say {
            text: Speaker::new(self.line, language)
                .prompts()
                .menu_language
                .say(),
            language: language.to_owned(),
        })
    }

    /// Says the receipt, digit by digit.
    pub fn receipt(&self, digits: &str) -> Verb {
        let digits = digits_in_words(self.language, digits);
        self.speak(self.prompts().receipt.fill(digits))
    }

    /// Says, as the phase and the intake period require, why the line is closed, when it opens next, when intake begins
    /// or ends, and where else to report.
    pub fn closed(&self, state: &State) -> Vec<Verb> {
        let p = self.prompts();
        let mut said = Vec::new();
        let intake = &self.line.schedule.intake;
        let reopens = state.reopens_at.map(|at| {
            let at = at.with_timezone(&self.line.schedule.timezone);
            let answered = state
                .answered_at
                .with_timezone(&self.line.schedule.timezone);
            let prompt = if at.date_naive() == answered.date_naive() {
                &p.reopens_today
            } else {
                &p.reopens
            };
            self.speak(prompt.fill(time_in_words(self.language, &at)))
        });
        match state.phase {
            Phase::NotStarted => {
                said.push(self.speak(p.not_started.say()));
                said.extend(reopens);
                if intake.from > self.line.schedule.inspection.from {
                    said.push(self.dated(&p.intake_not_yet, intake.from));
                }
                said.extend(self.elsewhere());
                return said;
            }
            Phase::Ended => {
                said.push(self.speak(p.ended.say()));
                said.extend(self.elsewhere());
                return said;
            }
            Phase::Break => said.push(self.speak(p.closed_break.say())),
            Phase::AfterHours => said.push(self.speak(p.closed_after_hours.say())),
            Phase::Holiday => said.push(self.speak(p.closed_holiday.say())),
            Phase::Open | Phase::IntakeClosed => {}
        }
        match state.intake {
            Standing::During => {
                said.extend(reopens);
                // If the next opening is after the end of intake, or if there is none, waiting for it is of no use to
                // the caller, so the end of intake is announced.
                let opening = state
                    .reopens_at
                    .map(|at| at.with_timezone(&self.line.schedule.timezone));
                if opening.is_none_or(|at| at.date_naive() > intake.to) {
                    said.push(self.dated(&p.intake_ends, intake.to));
                }
            }
            // Here and in the next case no opening is announced: it would imply that a report could be left then.
            Standing::After => {
                said.push(self.dated(&p.intake_over, intake.to));
                said.extend(self.elsewhere());
            }
            Standing::Before => {
                said.push(self.dated(&p.intake_not_yet, intake.from));
                said.extend(self.elsewhere());
            }
        }
        said
    }

    /// Says the addresses for letters; empty unless intake is running and the phase is break, after hours or holiday.
    pub fn closed_addresses(&self, state: &State) -> Vec<Verb> {
        match state.phase {
            Phase::Break | Phase::AfterHours | Phase::Holiday
                if state.intake == Standing::During =>
            {
                self.letters()
            }
            _ => Vec::new(),
        }
    }

    fn dated(&self, prompt: &Prompt, date: NaiveDate) -> Verb {
        self.speak(prompt.fill(date_in_words(self.language, date)))
    }

    /// Returns words of the line's own as a text whose sound has the id `{line}-{what}`.
    pub fn own(&self, what: &str, words: &str) -> Spoken {
        Spoken::words(format!("{}-{what}", self.line.id), words)
    }

    /// Says the postal address and the locations of the letter boxes, as far as the line has them.
    fn letters(&self) -> Vec<Verb> {
        let mut said = Vec::new();
        if let Some(post) = &self.words.post {
            said.push(self.speak(self.prompts().post.fill(self.own("post", post))));
        }
        said.extend(self.list(
            &self.prompts().letter_boxes,
            "box",
            &self.words.letter_boxes,
        ));
        said
    }

    /// Says the other places to report to, which remain after the inspection. `None` if the line has none.
    pub fn elsewhere(&self) -> Option<Verb> {
        self.list(
            &self.prompts().elsewhere,
            "elsewhere",
            &self.words.elsewhere,
        )
    }

    /// Says the answer to key 3: who is inspected, what can be reported, what happens to other reports, the addresses
    /// for letters, and where else to report; only the last after the end of intake or of the inspection. Empty if the
    /// line has words for none of these.
    pub fn information(&self, state: &State) -> Vec<Verb> {
        let p = self.prompts();
        let mut said = Vec::new();
        // After the end of intake these sentences would imply that reports are still accepted.
        let could_be_reported =
            state.intake != Standing::After && !matches!(state.phase, Phase::Ended);
        if could_be_reported {
            if let Some(inspected) = &self.words.inspected {
                said.push(self.speak(p.inspected.fill(self.own("inspected", inspected))));
            }
            if let Some(scope) = &self.words.scope {
                said.push(self.speak(p.scope.fill(self.own("scope", scope))));
            }
            said.extend(self.list(&p.disciplines, "discipline", &self.words.disciplines));
            if self.words.scope.is_some() {
                said.push(self.speak(p.out_of_scope.say()));
            }
            said.extend(self.letters());
        }
        said.extend(self.elsewhere());
        said
    }

    /// True if there is an answer to key 3.
    pub fn has_information(&self, state: &State) -> bool {
        !self.information(state).is_empty()
    }

    fn list(&self, prompt: &Prompt, item: &str, items: &[String]) -> Option<Verb> {
        let all = self.all(item, items)?;
        Some(self.speak(prompt.fill(all)))
    }

    /// Joins a list of the line's own words with the prompt `list_comma`. `None` if the list is empty. The items' sound
    /// ids end in `item` and their number, from 1.
    pub fn all(&self, item: &str, items: &[String]) -> Option<Spoken> {
        let all = items.iter().enumerate();
        let all = all.map(|(n, words)| self.own(&format!("{item}-{}", n + 1), words));
        (!items.is_empty()).then(|| Spoken::join(all, &self.prompts().list_comma.say()))
    }
}
