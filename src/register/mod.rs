//! The register of reports: makes a call a report, adds sealed entries to a report, and proves that its trail is whole.

pub mod filing;
pub mod opening;
pub mod trail;
