//! Lines and members beyond the first.

use super::{Api, TestLine};
use dutyline::report::role::Role;

/// Number of the second line.
pub const SECOND_NUMBER: &str = "13977100002";

/// Returns the default configuration with a second line, `second`.
pub fn with_second_line(toml: String) -> String {
    format!(
        r#"{toml}
[[line]]
id = "second"
number = "{SECOND_NUMBER}"
country = "CN"
name = "另一个组"
timezone = "Asia/Shanghai"
calendar = ["cn"]
inspection = {{ from = 2024-03-06, to = 2024-06-21 }}
intake = {{ from = 2024-03-06, to = 2024-06-14 }}
hours = ["08:30-12:00"]
"#
    )
}

impl TestLine {
    /// Adds a member, seals the keys of `lines` to them as the first lead, and logs them in. The password is the name
    /// followed by `'s-password`.
    pub async fn member(&self, name: &str, role: Role, lines: &[&str]) -> Api {
        let password = format!("{name}'s-password");
        self.make_member(name, role, &password, lines).await;
        Api::log_in(&self.url, name, &password).await
    }
}
