//! What is said, put together from the prompts, the line and the clock.

use super::script::{Spoken, Verb};
use super::state::State;
use crate::line::dates::{date_in_words, digits_in_words, time_in_words};
use crate::line::hours::{Phase, Standing};
use crate::line::prompts::{Prompt, Prompts};
use crate::line::{Line, LineWords};
use crate::report::status::Status;
use chrono::NaiveDate;
use std::sync::LazyLock;

/// Speaks for one line in one language.
pub(super) struct Speaker<'a> {
    pub line: &'a Line,
    pub language: &'a str,
    pub words: &'a LineWords,
}

/// The words of a language a line does not speak: none of its own.
static NO_WORDS: LazyLock<LineWords> = LazyLock::new(LineWords::default);

impl<'a> Speaker<'a> {
    /// A speaker of `language`.
    pub fn new(line: &'a Line, language: &'a str) -> Self {
        Self {
            line,
            language,
            words: line.words.get(language).unwrap_or(&NO_WORDS),
        }
    }

    /// The sentences of this language.
    pub fn prompts(&self) -> &'a Prompts {
        &self.words.prompts
    }

    /// One sentence of this language's prompts.
    pub fn say(&self, choose: impl Fn(&Prompts) -> &Prompt) -> Verb {
        self.speak(choose(self.prompts()).say())
    }

    /// What somebody wrote in this language.
    pub fn written(&self, text: &str) -> Verb {
        self.speak(Spoken::written(text))
    }

    /// Where a report stands, for whoever left it.
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

    /// Who answers, and that it stays confidential.
    pub fn greeting(&self) -> Verb {
        self.speak(
            self.prompts()
                .greeting
                .fill(self.own("name", &self.words.name)),
        )
    }

    /// "For English, press 9", in the language it leads to; nothing for a line of one language.
    pub fn offer_language(&self, next: Option<&str>) -> Option<Verb> {
        next.map(|language| Verb::Say {
            text: Speaker::new(self.line, language)
                .prompts()
                .menu_language
                .say(),
            language: language.to_owned(),
        })
    }

    /// The receipt, digit by digit.
    pub fn receipt(&self, digits: &str) -> Verb {
        let digits = digits_in_words(self.language, digits);
        self.speak(self.prompts().receipt.fill(digits))
    }

    /// Why nobody is there, and when somebody is: the first words of a closed phase.
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
                // Nobody is to wait for an opening at which reports are no longer taken.
                let opening = state
                    .reopens_at
                    .map(|at| at.with_timezone(&self.line.schedule.timezone));
                if opening.is_none_or(|at| at.date_naive() > intake.to) {
                    said.push(self.dated(&p.intake_ends, intake.to));
                }
            }
            // No opening is announced: it would sound as if a report could be left then.
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

    /// Where a closed line can be written to; not for the phases in which it is no use.
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

    /// Words of the line's own, under a name of the line's own.
    pub fn own(&self, what: &str, words: &str) -> Spoken {
        Spoken::words(format!("{}-{what}", self.line.id), words)
    }

    /// The post address and the letter boxes.
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

    /// The ways that stay open when the inspection is over.
    pub fn elsewhere(&self) -> Option<Verb> {
        self.list(
            &self.prompts().elsewhere,
            "elsewhere",
            &self.words.elsewhere,
        )
    }

    /// What can be reported here, what happens to the rest, and where else to turn: the answer to key 3.
    pub fn information(&self, state: &State) -> Vec<Verb> {
        let p = self.prompts();
        let mut said = Vec::new();
        // Once intake is over this would sound as if it could still be reported here.
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

    /// Is there an answer to key 3?
    pub fn has_information(&self, state: &State) -> bool {
        !self.information(state).is_empty()
    }

    fn list(&self, prompt: &Prompt, item: &str, items: &[String]) -> Option<Verb> {
        let all = self.all(item, items)?;
        Some(self.speak(prompt.fill(all)))
    }

    /// A list of the line's own, with commas between; nothing when it is empty.
    pub fn all(&self, item: &str, items: &[String]) -> Option<Spoken> {
        let all = items.iter().enumerate();
        let all = all.map(|(n, words)| self.own(&format!("{item}-{}", n + 1), words));
        (!items.is_empty()).then(|| Spoken::join(all, &self.prompts().list_comma.say()))
    }
}
