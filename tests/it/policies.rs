//! Every route is requested by every kind of client, on own and foreign things, and compared with the router's policy.

use crate::support::console::Desk;
use crate::support::{
    Api, Database, LINES, NUMBER, OTHER_NUMBER, TestLine, client, two_lines, wav,
};
use dutyline::report::role::Role;
use dutyline::store::members;
use dutyline::web::{self, Policy, Route};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const PASSWORD: &str = "a long password";
/// An id of nothing.
const NOBODYS: &str = "7f2c1a52-6a0e-4d8e-9a54-0c3b8e6f1d20";

/// The client that makes the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Nobody,
    Auditor,
    Operator,
    SecurityAdmin,
    Inspector,
    Lead,
}

/// The owner of the thing that is requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    Own,
    Foreign,
    None,
}

/// The result of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Authorised, whatever the answer to the request itself.
    In,
    LogIn,
    Forbidden,
    Missing,
}

fn expected(policy: Policy, who: Who, whose: Whose) -> Outcome {
    use Outcome::{Forbidden, In, LogIn, Missing};
    let of_object = match whose {
        Whose::Own => In,
        Whose::Foreign | Whose::None => Missing,
    };
    match (policy, who) {
        (Policy::Anybody, _) => In,
        (Policy::Provider, _) => Forbidden,
        // No client here has a key or reaches the operators' listener, and the provider has no connection.
        (Policy::Key | Policy::Switch | Policy::Listener, _) => Missing,
        (_, Who::Nobody) => LogIn,
        (Policy::Session | Policy::Member, _) => In,
        (Policy::Auditor, Who::Auditor)
        | (Policy::Operator, Who::Operator)
        | (Policy::SecurityAdmin, Who::SecurityAdmin) => In,
        (Policy::Auditor | Policy::Operator | Policy::SecurityAdmin, _) => Forbidden,
        (_, Who::Auditor | Who::Operator | Who::SecurityAdmin) => Forbidden,
        (Policy::Inspector, _) => In,
        (Policy::OwnLine | Policy::Colleague, _) => of_object,
        (Policy::Lead | Policy::OwnMember, Who::Inspector) => Forbidden,
        (Policy::Lead, Who::Lead) => In,
        (Policy::OwnMember, Who::Lead) => of_object,
    }
}

fn outcome(status: StatusCode, location: Option<&str>) -> Outcome {
    match status {
        StatusCode::UNAUTHORIZED => Outcome::LogIn,
        StatusCode::FORBIDDEN => Outcome::Forbidden,
        StatusCode::NOT_FOUND => Outcome::Missing,
        _ if location.is_some_and(|to| to == "/console/sign-in") => Outcome::LogIn,
        _ => Outcome::In,
    }
}

/// Two lines, each with a report, an inspector and a lead; the requests come from members of the first.
struct Place {
    line: TestLine,
    /// An own report and a foreign one.
    reports: [String; 2],
    /// A reply in each, written by another member.
    replies: [String; 2],
    /// An own member and a foreign one, whom no other request needs.
    members: [String; 2],
}

impl Place {
    async fn make() -> Self {
        let line = TestLine::with(Database::sqlite(), crate::support::OPEN, two_lines).await;
        for (name, role, lines) in [
            ("auditor", Role::Auditor, &[][..]),
            ("operator", Role::Operator, &[][..]),
            ("securityadmin", Role::SecurityAdmin, &[][..]),
            ("inspector", Role::Inspector, &LINES[..1]),
            ("lead", Role::Lead, &LINES[..1]),
            ("own", Role::Inspector, &LINES[..1]),
            ("foreign", Role::Inspector, &LINES[1..]),
        ] {
            line.make_member(name, role, PASSWORD, lines).await;
        }
        for number in [NUMBER, OTHER_NUMBER] {
            line.leave("+8613800138000", number, &wav(b"said")).await;
        }
        line.idle().await;
        let all = line.lead().await.reports().await;
        let report = |line: &str| {
            let found = all.iter().find(|report| report["line"] == line).unwrap();
            found["id"].as_str().unwrap().to_owned()
        };
        let reports = [report(LINES[0]), report(LINES[1])];
        let mut replies = Vec::new();
        for report in &reports {
            let path = format!("/reports/{report}/reply");
            let reply = line
                .lead()
                .await
                .post(&path, json!({ "text": "x" }))
                .await
                .ok();
            replies.push(reply["id"].as_str().unwrap().to_owned());
        }
        let mut tx = line.db().begin_read().await.unwrap();
        let mut ids = Vec::new();
        for name in ["own", "foreign"] {
            let member = members::by_name(&mut tx, name).await.unwrap().unwrap();
            ids.push(member.id.to_string());
        }
        drop(tx);
        Self {
            members: [ids.remove(0), ids.remove(0)],
            line,
            reports,
            replies: [replies.remove(0), replies.remove(0)],
        }
    }

    /// Returns the route's address with ids of things of `whose`.
    fn address(&self, route: &Route, whose: Whose) -> String {
        let pick = |things: [&str; 2]| match whose {
            Whose::Own => things[0].to_owned(),
            Whose::Foreign => things[1].to_owned(),
            Whose::None => NOBODYS.to_owned(),
        };
        let id = match route.path.as_str() {
            path if path.contains("/lines/") => pick(LINES),
            path if path.contains("/members/") => pick([&self.members[0], &self.members[1]]),
            _ => pick([&self.reports[0], &self.reports[1]]),
        };
        route
            .path
            .replace("{id}", &id)
            .replace("{n}", "1")
            .replace("{entry}", &pick([&self.replies[0], &self.replies[1]]))
            .replace("{provider}", "twilio")
            .replace("{call}", NOBODYS)
            .replace("{step}", "1")
            .replace("{key}", "k")
            .replace("{name}", "console.css")
            .replace("{*none}", "nothing")
    }
}

/// Adds a body that the route can parse: without one no request reaches the check of the owner.
fn with_body(request: RequestBuilder, route: &Route) -> RequestBuilder {
    let form = |text: &'static str| {
        let kind = ("content-type", "application/x-www-form-urlencoded");
        (kind, text.to_owned())
    };
    let json = |value: Value| (("content-type", "application/json"), value.to_string());
    let (kind, body) = match route.path.as_str() {
        path if path.starts_with("/hooks/") => form("CallSid=CA1&AccountSid=AC1"),
        path if path.starts_with("/api/") && path.ends_with("/close") => {
            json(json!({ "outcome": "handled" }))
        }
        path if path.ends_with("/notes") || path == "/api/v1/reports/{id}/reply" => {
            json(json!({ "text": "x" }))
        }
        "/api/v1/session" => json(json!({ "name": "inspector", "password": PASSWORD })),
        path if path.starts_with("/api/") => json(json!({ "scope": "out" })),
        "/console/accounts/end" => form("member=7f2c1a52-6a0e-4d8e-9a54-0c3b8e6f1d20"),
        "/console/sign-in" => form("name=inspector&password=a+long+password"),
        path if ["/line", "/take-off", "/waiver"]
            .iter()
            .any(|end| path.ends_with(end)) =>
        {
            form("line=fcg-5")
        }
        _ => form("text=x&scope=out&outcome=handled"),
    };
    request.header(kind.0, kind.1).body(body)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_lets_in_whom_its_policy_says() {
    let place = Place::make().await;
    let url = &place.line.url;
    let mut tried = 0;
    let mut wrong = Vec::new();
    for who in [
        Who::Nobody,
        Who::Auditor,
        Who::Operator,
        Who::SecurityAdmin,
        Who::Inspector,
        Who::Lead,
    ] {
        let name = format!("{who:?}").to_lowercase();
        let mut session = None;
        for route in web::table() {
            let wholes: &[Whose] = if route.path.contains("{id}") {
                &[Whose::Own, Whose::Foreign, Whose::None]
            } else {
                &[Whose::Own]
            };
            for whose in wholes {
                if session.is_none() && who != Who::Nobody {
                    session = Some((
                        Api::log_in(url, &name, PASSWORD).await,
                        Desk::sign_in(url, &name, PASSWORD).await,
                    ));
                }
                let method = route.method.clone().unwrap_or(Method::GET);
                let address = format!("{url}{}", place.address(&route, *whose));
                let mut request = client().request(method.clone(), address);
                if let Some((api, desk)) = &session {
                    request = request
                        .bearer_auth(api.token())
                        .header("cookie", desk.cookie_header());
                }
                if method == Method::POST {
                    request = with_body(request, &route);
                }
                let answer = request.send().await.unwrap();
                let location = answer.headers().get("location");
                let location = location.and_then(|value| value.to_str().ok());
                let got = outcome(answer.status(), location);
                let wanted = if route.path == "/console/{*none}" || route.path == "/api/v1/" {
                    // An address that does not exist is missing for every client.
                    Outcome::Missing
                } else {
                    expected(route.policy, who, *whose)
                };
                // The body is not read: an event stream does not end.
                drop(answer);
                tried += 1;
                if got != wanted {
                    wrong.push(format!(
                        "{method} {} as {who:?} on {whose:?}: {got:?}, not {wanted:?}",
                        route.path
                    ));
                }
                let ends_it = method == Method::DELETE || route.path.ends_with("/sign-out");
                if ends_it {
                    session = None;
                }
            }
        }
    }
    assert_eq!(wrong, [""; 0]);
    assert!(tried > 4 * web::table().len(), "{tried}");
    place.line.finish().await;
}

/// A router lists its paths only in its `Debug` output: this fails if that format changes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_table_has_every_address_the_router_has() {
    let line = TestLine::open(Database::sqlite()).await;
    let routers = [
        web::router(line.service().clone()),
        web::ops_router(line.service().clone()),
    ];
    let mut served = BTreeSet::new();
    for router in routers {
        let text = format!("{router:?}");
        served.extend(
            text.split('"')
                .filter(|text| text.starts_with('/') && !text.contains("__private"))
                .map(str::to_owned),
        );
    }
    // The prefix at which the API is nested, and the fallback nested there.
    served.retain(|path| path != "/" && path != "/api/v1");
    let table: BTreeSet<String> = web::table().into_iter().map(|route| route.path).collect();
    assert_eq!(served, table);
    line.finish().await;
}
