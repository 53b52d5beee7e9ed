//! `dutyline check --webhook PATH`: prints the URL of a webhook exactly as it is used to check signatures.

use super::{Failure, Outcome};
use crate::config::{Config, ProviderKind};

/// The path segments that may follow the provider's name in webhook URLs, except those of Asterisk, which has only
/// `ari`.
const HOOKS: [&str; 10] = [
    "call",
    "status",
    "fallback",
    "step",
    "said",
    "recording",
    "whisper",
    "accepted",
    "take",
    "listen",
];

/// Prints the public URL of the webhook at `path`, alone on standard output; hints go to standard error. Fails if no
/// configured provider has such a webhook.
pub(super) fn run(config: &Config, path: &str) -> Outcome {
    let usage = |message: String| Err(Failure::Usage(format!("--webhook: {message}")));
    let Some(rest) = path.strip_prefix("/hooks/") else {
        return usage("write the path only, like /hooks/twilio/call".into());
    };
    if path.chars().any(|c| c.is_whitespace() || c.is_control()) || path.contains('#') {
        return usage("the path has a blank or a fragment in it, and none is sent".into());
    }
    let before_query = rest.split('?').next().unwrap_or_default();
    let (name, hook) = before_query.split_once('/').unwrap_or((before_query, ""));
    let Some(provider) = config.providers.iter().find(|other| other.name == name) else {
        let names = config.providers.iter();
        let names: Vec<_> = names.map(|provider| provider.name.as_str()).collect();
        return usage(format!(
            "no provider of this name is configured; there are {}",
            names.join(", ")
        ));
    };
    let own: &[&str] = match provider.kind {
        ProviderKind::Asterisk => &["ari"],
        _ => &HOOKS,
    };
    let first = hook.split('/').next().unwrap_or_default();
    if !own.contains(&first) {
        return usage(format!(
            "{name} has no such webhook; after /hooks/{name}/ comes {}",
            own.join(", ")
        ));
    }
    println!("{}{path}", config.public_url);
    match provider.kind {
        ProviderKind::Telnyx | ProviderKind::Jambonz => eprintln!(
            "dutyline: {name} signs the body and a time, not the address; see the token and the clock"
        ),
        ProviderKind::Asterisk => eprintln!(
            "dutyline: {name} signs nothing; the user name and the password beside the address are checked"
        ),
        ProviderKind::Twilio
        | ProviderKind::Simulator
        | ProviderKind::SignalWire
        | ProviderKind::Somleng => {}
    }
    Ok(())
}
