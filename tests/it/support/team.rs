//! Lines and members beyond the first.

use super::{Api, LEAD, TestLine, chosen};
use dutyline::base::clock::random_id;
use dutyline::members::{self, MemberName};
use dutyline::report::role::Role;
use dutyline::store;
use dutyline::store::audit::Act;
use dutyline::store::members::Member;
use dutyline::vault::action::Action;
use dutyline::vault::passwords;

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

impl TestLine {
    /// Creates another member who works on these lines. The account is confirmed, so that it counts as another person
    /// than the lead.
    pub async fn make_member(&self, name: &str, role: Role, password: &str, lines: &[&str]) {
        let clock = self.service().clock;
        let name = MemberName::parse(name).expect("a name");
        let (lead, _) = members::unlock(self.db(), LEAD.0, LEAD.1)
            .await
            .expect("the lead");
        let maker = members::Maker::Member(lead.id);
        let new = members::new_member(&name, role, chosen(password), maker);
        let (member, _) = new.await.expect("a member");
        let keys = self.sealed_keys(&member, lines).await;
        let mut tx = self.db().begin().await.expect("the database");
        members::insert(&mut tx, &clock, &member, LEAD.0)
            .await
            .expect("a new member");
        members::grant(&mut tx, &clock, &keys, &member)
            .await
            .expect("grants");
        let act = Act {
            actor: Some(LEAD.0),
            object: Some(member.id),
            ..Act::new(clock.line_now(), Action::MemberConfirmed)
        };
        let confirmed = store::members::confirm(&mut tx, member.id, lead.id, act).await;
        confirmed.expect("the database");
        tx.commit().await.expect("a commit");
    }

    /// Inserts an inspector with this name without checking it, as an older version could have. No password opens the account.
    pub async fn write_member(&self, name: &str, lines: &[&str]) {
        let clock = self.service().clock;
        let mut tx = self.db().begin_read().await.expect("the database");
        let lead = members::find(&mut tx, LEAD.0).await.expect("the database");
        drop(tx);
        let member = Member {
            id: random_id(),
            name: name.to_owned(),
            role: Role::Inspector,
            wrapped: passwords::dummy().to_vec(),
            ..lead.expect("the lead")
        };
        let keys = self.sealed_keys(&member, lines).await;
        let act = Act {
            actor: Some(LEAD.0),
            object: Some(member.id),
            ..Act::new(clock.line_now(), Action::MemberAdded)
        };
        let mut tx = self.db().begin().await.expect("the database");
        store::members::insert(&mut tx, &member, clock.system_now(), act)
            .await
            .expect("a new member");
        members::grant(&mut tx, &clock, &keys, &member)
            .await
            .expect("grants");
        tx.commit().await.expect("a commit");
    }
}
