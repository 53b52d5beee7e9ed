//! Classification of a report: in or out of scope, disciplines, focuses.

use crate::line::Line;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Classification of a report by an inspector. Stored sealed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Classification {
    /// Whether the report is in the scope of this team.
    pub scope: Scope,
    /// The disciplines it is about, from the line's list.
    #[serde(default)]
    pub disciplines: Vec<String>,
    /// The focuses it belongs to, from the line's list.
    #[serde(default)]
    pub focuses: Vec<String>,
}

/// In or out of the line's scope. Reports out of scope are passed to the department in charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// For this team.
    In,
    /// For another department.
    Out,
}

impl Classification {
    /// Checks that the disciplines and focuses are the line's, each named once.
    ///
    /// # Errors
    ///
    /// A message that lists the line's valid values, or says that a value is named twice. It does not repeat what was
    /// sent.
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
