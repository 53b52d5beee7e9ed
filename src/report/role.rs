//! Roles of members.

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
        /// Reads the audit trail.
        Auditor = "auditor",
        /// Looks after the service.
        Operator = "operator",
        /// Looks after accounts and sessions.
        SecurityAdmin = "security_admin",
    }
}

impl Role {
    /// The roles that may open reports and work on them.
    pub const ON_REPORTS: [Self; 2] = [Self::Lead, Self::Inspector];

    /// True if the role may open reports and work on them.
    pub fn works_on_reports(self) -> bool {
        Self::ON_REPORTS.contains(&self)
    }
}
