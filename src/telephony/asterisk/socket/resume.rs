//! Start of a connection: running calls are resumed or ended, and the recordings on Asterisk's disk are reported.

use super::call::Beginning;
use super::{Wire, lock, nameless};
use crate::telephony::asterisk::message::{self, Channel, Recorded, is_caller, is_leg};
use crate::telephony::asterisk::performance::Standing;
use crate::telephony::asterisk::program::{Program, RecordingName, Then};
use crate::telephony::{Hook, Running};
use futures_util::future::join_all;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tracing::{debug, warn};

/// Time to wait before a failed operation is tried again; for recordings that could not be stored, the first such time.
const AGAIN: Duration = Duration::from_secs(1);

/// Maximum time to wait before recordings that could not be stored are tried again.
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// Interval at which the recordings on the disk are listed while a connection lasts.
const SCAN_INTERVAL: Duration = Duration::from_secs(600);

/// Resumes the calls on the switch, ends those that are gone, and notes recordings. Listing the calls and noting the
/// recordings is tried again until it succeeds; the task ends only with the connection.
pub(super) async fn resume_calls(wire: Arc<Wire>) {
    let (running, channels) = loop {
        if let (Ok(running), Some(channels)) =
            (wire.conductor.running().await, channels(&wire).await)
        {
            break (running, channels);
        }
        warn!(
            provider = wire.asterisk.settings.name,
            "cannot list running calls: database failed or Asterisk did not answer; trying again"
        );
        wire.conductor.pause(AGAIN).await;
    };
    let known: HashMap<&str, &Running> = running
        .iter()
        .map(|call| (call.id.expose().as_str(), call))
        .collect();
    let mut calls = Vec::new();
    for channel in channels.iter().filter(|channel| is_caller(channel)) {
        let beginning = match known.get(channel.id.as_str()) {
            Some(call) => resumed(&wire, call).await,
            None => Beginning::New,
        };
        calls.extend(wire.prepare(channel.clone(), beginning));
    }
    for channel in channels.iter().filter(|channel| is_leg(channel)) {
        // This leg is in no bridge with its caller: the call has ended, or the connection was lost before the two were
        // connected. A resumed call goes on without it.
        if !lock(&wire.legs).contains_key(&channel.id) {
            wire.hang_up(&channel.id);
        }
    }
    let here = |call: &Running| channels.iter().any(|own| own.id == *call.id.expose());
    for call in running.iter().filter(|call| !here(call)) {
        let mut event = nameless(call.id.expose());
        event.ended = true;
        wire.conductor.conduct(&Hook::Status, &event).await;
    }
    // The resumed calls run at the same time.
    tokio::join!(join_all(calls), look_after_recordings(&wire));
}

/// The channels that exist on the switch; `None` when Asterisk did not answer as expected.
async fn channels(wire: &Wire) -> Option<Vec<Channel>> {
    let answer = wire.read("channels").await?;
    let list = answer.body.expose().as_array()?;
    (answer.status == 200).then(|| list.iter().filter_map(message::channel).collect())
}

async fn resumed(wire: &Arc<Wire>, call: &Running) -> Beginning {
    let Ok(program) = serde_json::from_str::<Program>(&call.answer.body) else {
        return Beginning::New;
    };
    let channel = call.id.expose().as_str();
    let mut standing = Standing::None;
    if let Then::Record { .. } = program.then {
        let name = RecordingName::new(program.at.as_ref(), channel, "").to_string();
        let there = async |kind: &str| {
            let answer = wire.read(&format!("recordings/{kind}/{name}")).await;
            answer.is_some_and(|answer| answer.status == 200)
        };
        // In this order, so that a recording that ends between the two requests is found as stored.
        if there("live").await {
            standing = Standing::Running;
        } else if there("stored").await {
            standing = Standing::Done;
        }
    }
    if let Then::Connect { .. } = program.then {
        let (leg, bridge) = (program.id(channel, "leg"), program.id(channel, "bridge"));
        let answer = wire.read(&format!("bridges/{bridge}")).await;
        let in_it = |id: &str| {
            let answer = answer.as_ref().filter(|answer| answer.status == 200);
            let members = answer.and_then(|answer| answer.body.expose()["channels"].as_array());
            members.is_some_and(|members| members.iter().any(|member| member == id))
        };
        if in_it(channel) && in_it(&leg) {
            lock(&wire.legs).insert(leg, channel.to_owned());
            standing = Standing::Talking;
        }
    }
    Beginning::Resumed(Box::new(program), standing)
}

/// Notes the recordings on Asterisk's disk: when the connection begins, every [`SCAN_INTERVAL`], and after a recording
/// could not be stored: then first after [`AGAIN`], and after twice the time, up to [`MAX_PAUSE`], as long as that
/// fails.
async fn look_after_recordings(wire: &Arc<Wire>) {
    let mut pause = AGAIN;
    loop {
        let left = note_recordings(wire).await;
        if left > 0 {
            warn!(
                provider = wire.asterisk.settings.name,
                left, "recordings on Asterisk's disk could not be stored; trying again"
            );
            wire.conductor.pause(pause).await;
            pause = (2 * pause).min(MAX_PAUSE);
            continue;
        }
        pause = AGAIN;
        tokio::select! {
            () = wire.conductor.sleep(SCAN_INTERVAL) => {}
            () = wire.not_noted.notified() => wire.conductor.pause(AGAIN).await,
        }
    }
}

/// Notes every recording on the disk; returns the number of those that could not be stored. Noting a recording that is
/// known already changes nothing.
async fn note_recordings(wire: &Arc<Wire>) -> usize {
    let names = loop {
        match wire.asterisk.stored_recordings().await {
            Ok(names) => break names,
            Err(error) => {
                warn!(
                    provider = wire.asterisk.settings.name,
                    %error,
                    "recordings on Asterisk's disk cannot be listed; trying again"
                )
            }
        }
        wire.conductor.pause(AGAIN).await;
    };
    let mut left = 0;
    for name in names {
        left += usize::from(!is_noted(wire, &name).await);
    }
    left
}

/// Notes a recording on the disk, unless it is still being made. False when it could not be stored, or Asterisk did not
/// say whether it is still being made.
async fn is_noted(wire: &Wire, name: &RecordingName) -> bool {
    let recorded = Recorded {
        name: name.to_string(),
        // Unknown here; `note_recording` reads the file if it is short.
        seconds: 0,
    };
    match wire.asterisk.is_live(&recorded.name).await {
        // The recording is still running; its call reports it when it ends.
        Ok(true) => true,
        Ok(false) => wire.note_recording(name, &recorded).await,
        Err(error) => {
            debug!(
                provider = wire.asterisk.settings.name,
                %error,
                "cannot ask Asterisk whether a recording is still being made"
            );
            false
        }
    }
}
