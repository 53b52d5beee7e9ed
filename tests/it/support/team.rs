//! More than one line, and more than one member.

use super::{Api, TestLine};
use dutyline::report::role::Role;

/// The number of the second line.
pub const SECOND_NUMBER: &str = "13977100002";

/// The default configuration with a second line, `second`.
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
    /// Adds a member, gives them the keys of `lines` from the first lead, and logs them in. Their password is the
    /// name and `'s-password`.
    pub async fn member(&self, name: &str, role: Role, lines: &[&str]) -> Api {
        let password = format!("{name}'s-password");
        self.make_member(name, role, &password, lines).await;
        Api::log_in(&self.url, name, &password).await
    }
}
