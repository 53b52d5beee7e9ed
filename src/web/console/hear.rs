//! The page that rehearses a call: what a caller hears on a line at a date and time, with keys to click.

use super::calendar::{LineLink, chosen};
use super::page::{Page, Stop, Visit, render};
use super::said;
use super::words::Words;
use crate::call::acts::{Act, parse_script};
use crate::call::rehearsal;
use crate::call::script::{Script, Verb};
use crate::call::state::Place;
use crate::service::Service;
use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use serde::Deserialize;
use std::sync::Arc;

/// Maximum number of the caller's acts that are played; later ones are ignored.
const MAX_STEPS_PLAYED: usize = 80;

#[derive(Template)]
#[template(path = "hear.html", config = "src/web/askama.toml")]
struct Hear {
    page: Page,
    lines: Vec<LineLink>,
    line: String,
    at: String,
    problem: Option<String>,
    phase: &'static str,
    opens: Option<String>,
    seconds: String,
    turns: Vec<Turn>,
    keys: Vec<Key>,
    again: String,
}

/// What the caller did, and what they heard in response. `did` is `None` for the answer to the call.
struct Turn {
    did: Option<String>,
    heard: Vec<Said>,
}

struct Said {
    language: String,
    text: String,
    spoken: bool,
}

struct Key {
    name: String,
    address: String,
}

#[derive(Deserialize, Default)]
pub(super) struct Asked {
    #[serde(default)]
    line: String,
    #[serde(default)]
    at: String,
    #[serde(default)]
    acts: String,
}

/// `GET /console/hear`, for members. The rehearsal is made from the configuration alone; no call is made.
pub(super) async fn show(
    State(service): State<Arc<Service>>,
    visit: Visit,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Stop> {
    let asked = asked.map(|Query(asked)| asked).unwrap_or_default();
    let line = chosen(&service, &visit, &asked.line)?;
    let page = visit.page(&service, "hear").await?;
    let w = page.w;
    let zone = line.schedule.timezone;
    let mut problem = None;
    let mut at = service.clock.line_now();
    if !asked.at.is_empty() {
        match rehearsal::parse_time(line, &asked.at) {
            Ok(asked) => at = asked,
            Err(_) => problem = Some(w.bad_time.clone()),
        }
    }
    let acts: Vec<Act> = parse_script(&asked.acts).unwrap_or_default();
    let acts = &acts[..acts.len().min(MAX_STEPS_PLAYED)];
    let heard = rehearsal::play(line, at, acts);
    let local = at.with_timezone(&zone).format("%Y-%m-%dT%H:%M").to_string();
    let address = |line: &str, acts: &str| {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("line", line).append_pair("at", &local);
        if !acts.is_empty() {
            query.append_pair("acts", acts);
        }
        format!("/console/hear?{}#end", query.finish())
    };
    let done: Vec<String> = acts.iter().map(ToString::to_string).collect();
    let and = |act: &str| {
        let mut all = done.clone();
        all.push(act.to_owned());
        address(&line.id, &all.join(","))
    };
    let last = heard
        .then
        .last()
        .map_or(&heard.answer, |(_, script)| script);
    let keys = keys(w, last, &heard.state.place)
        .into_iter()
        .map(|(name, act)| Key {
            name,
            address: and(&act),
        })
        .collect();
    let mut turns = vec![Turn {
        did: None,
        heard: lines_of(w, &heard.answer),
    }];
    turns.extend(heard.then.iter().map(|(acts, script)| {
        Turn {
            did: Some(
                acts.iter()
                    .map(|act| did(w, act))
                    .collect::<Vec<_>>()
                    .join(" · "),
            ),
            heard: lines_of(w, script),
        }
    }));
    Ok(render(&Hear {
        lines: visit
            .who
            .lines(&service)
            .into_iter()
            .map(|own| LineLink {
                name: own.id.clone(),
                address: address(&own.id, ""),
                chosen: own.id == line.id,
            })
            .collect(),
        line: line.id.clone(),
        problem,
        phase: said::phase(w, heard.state.phase),
        opens: heard.state.reopens_at.map(|at| said::moment(w, at, zone)),
        seconds: format!("{:.0}", rehearsal::seconds(&heard.answer)),
        turns,
        keys,
        again: address(&line.id, ""),
        at: local.clone(),
        page,
    }))
}

fn did(w: &Words, act: &Act) -> String {
    match act {
        Act::Key(key) => format!("{} {key}", w.pressed),
        Act::Speak => w.spoke.clone(),
        Act::Silence => w.kept_silent.clone(),
        Act::HangUp => w.hung_up.clone(),
    }
}

/// Returns what a caller can do next; for each possibility its name on the page, and the acts as the address lists
/// them.
fn keys(w: &Words, last: &Script, place: &Place) -> Vec<(String, String)> {
    if *place == Place::Over {
        return Vec::new();
    }
    let mut keys = Vec::new();
    match last.0.last() {
        Some(Verb::Gather { keys: offered, .. }) => {
            keys.extend(
                offered
                    .chars()
                    .map(|key| (key.to_string(), key.to_string())),
            );
        }
        Some(Verb::Digits { .. }) => {
            // Two examples, because no receipt is known in a rehearsal: an unknown receipt, and one with a wrong check
            // digit.
            for digits in ["000000000000", "000000000001"] {
                keys.push((digits.to_owned(), digits.to_owned()));
            }
        }
        Some(Verb::Record { .. }) => {
            keys.push((format!("{} #", w.speak_and), "speak,#".to_owned()));
        }
        _ => {}
    }
    keys.push((w.keep_silent.clone(), "silence".to_owned()));
    keys.push((w.hang_up.clone(), "hangup".to_owned()));
    keys
}

fn lines_of(w: &Words, script: &Script) -> Vec<Said> {
    let aside = |text: String| Said {
        language: w.lang.clone(),
        text,
        spoken: false,
    };
    script
        .0
        .iter()
        .map(|verb| match verb {
            Verb::Say { text, language } => Said {
                language: language.clone(),
                text: text.to_string(),
                spoken: true,
            },
            Verb::Play { .. } => aside(w.plays_back.clone()),
            Verb::Gather { seconds, .. } | Verb::Digits { seconds, .. } => {
                aside(w.waits.replace("{seconds}", &seconds.to_string()))
            }
            Verb::Record { max_seconds, .. } => aside(
                w.records
                    .replace("{minutes}", &(max_seconds.div_ceil(60)).to_string()),
            ),
            Verb::Connect { name, .. } => aside(w.rings.replace("{name}", name)),
            Verb::HangUp => aside(w.line_hangs_up.clone()),
        })
        .collect()
}
