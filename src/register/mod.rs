//! The register of reports: makes a call a report, adds sealed entries to a report, and verifies its audit trail.

pub mod filing;
pub mod opening;
pub mod restoring;
pub mod trail;
pub mod verify;
