//! What a member is, and may do.

use crate::base::names::names;

names! {
    "members.role";
    /// What a member may do.
    #[derive(serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
    #[serde(rename_all = "snake_case")]
    pub enum Role {
        /// Works on reports and adds members.
        Lead = "lead",
        /// Works on reports.
        Inspector = "inspector",
        /// Reads the audit trail. Comes later.
        Auditor = "auditor",
        /// Looks after the service. Comes later.
        Operator = "operator",
    }
}

impl Role {
    /// The roles that open reports and work on them.
    pub const ON_REPORTS: [Self; 2] = [Self::Lead, Self::Inspector];

    /// May open reports and work on them.
    pub fn works_on_reports(self) -> bool {
        Self::ON_REPORTS.contains(&self)
    }
}
