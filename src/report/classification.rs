//! How a report is classified: in or out of scope, which disciplines, which focuses.

use crate::line::Line;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What an inspector says a report is about. Sealed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Classification {
    /// Is it for this team?
    pub scope: Scope,
    /// The disciplines it is about, of the line's list.
    #[serde(default)]
    pub disciplines: Vec<String>,
    /// The focuses it belongs to, of the line's list.
    #[serde(default)]
    pub focuses: Vec<String>,
}

/// In or out of the line's scope. What is out is passed to the department in charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// For this team.
    In,
    /// For somebody else.
    Out,
}

impl Classification {
    /// Checks it against what the line knows.
    ///
    /// # Errors
    ///
    /// What would be right. Repeats nothing of what was sent.
    pub fn check(&self, line: &Line) -> Result<(), String> {
        known("disciplines", &self.disciplines, &line.disciplines)?;
        known("focuses", &self.focuses, &line.focuses)
    }
}

fn known(what: &str, given: &[String], known: &[String]) -> Result<(), String> {
    for (i, value) in given.iter().enumerate() {
        if !known.contains(value) {
            return Err(format!("{what}: this line has {}", known.join(", ")));
        }
        if given[..i].contains(value) {
            return Err(format!("{what}: one is named twice"));
        }
    }
    Ok(())
}
