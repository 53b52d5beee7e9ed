//! Dialling a roster member, and the talk with the caller.

use super::{Command, FAREWELL, Happening, Performance, Purpose, Question, Request, Stage};
use crate::telephony::asterisk::program::{Program, Then};
use serde_json::json;
use std::time::Duration;

/// Time after the ringing time at which this service hangs up a telephone that still rings.
const OVERDUE: Duration = Duration::from_secs(3);

/// Stage of the call to a roster member.
#[derive(Debug)]
pub(super) enum Talk {
    /// The telephone rings.
    Ringing,
    /// The telephone was answered; the conversation was asked what to play.
    PickedUp,
    /// The whisper is playing; a key stops it. The duration is the time to wait for a key after the whisper.
    Whispering(Duration),
    /// The whisper was played; waiting for a key.
    Waiting,
    /// A key was pressed; the conversation was asked whether to connect.
    Pressed,
    /// The caller and the inspector are connected.
    Speaking,
    /// This service hung up the inspector's channel, and waits for the event that it is gone.
    LettingGo,
}

impl Performance {
    /// Dials a roster member while the caller hears a ringing tone.
    pub(super) fn ring(&mut self) -> Vec<Command> {
        let Then::Connect {
            endpoint,
            caller_id,
            ring_seconds,
            ..
        } = &self.program.then
        else {
            return Vec::new();
        };
        let ring_seconds = *ring_seconds;
        let leg = json!({
            "endpoint": endpoint.expose(),
            "app": super::super::APPLICATION,
            "appArgs": format!("{},{}", super::super::RUNG, self.channel),
            "channelId": self.leg(),
            "callerId": caller_id,
            // Gives the leg the audio format of the caller's channel. Otherwise a leg through the dialplan gets a
            // format that the trunk may not support.
            "originator": self.channel,
            "timeout": ring_seconds,
        });
        let ringing = json!({ "media": ["tone:ring"], "playbackId": self.id("ringing") });
        let uri = format!("channels/{}/play", self.channel);
        self.stage = Stage::Talk(Talk::Ringing);
        vec![
            Command::Send(Purpose::Tidy, Request::with("POST", uri, ringing)),
            Command::Send(Purpose::Ring, Request::with("POST", "channels", leg)),
            self.wait(Duration::from_secs(ring_seconds.into()) + OVERDUE),
        ]
    }

    pub(super) fn in_talk(&mut self, happening: Happening) -> Vec<Command> {
        let Stage::Talk(talk) = &self.stage else {
            return Vec::new();
        };
        match (talk, happening) {
            (_, Happening::LegGone) => self.talk_over(),
            (_, Happening::Refused(Purpose::Ring, _)) => self.talk_over(),
            // The caller and the inspector could not be connected and cannot hear each other, so the talk ends.
            (Talk::Speaking, Happening::Refused(Purpose::Bridge, _)) => self.let_leg_go(),
            (_, Happening::Recorded(recorded)) => {
                vec![Command::Ask(Question::TalkRecorded {
                    name: recorded.name,
                    seconds: recorded.seconds,
                })]
            }
            (Talk::Ringing, Happening::LegUp) => {
                self.stage = Stage::Talk(Talk::PickedUp);
                self.timer += 1;
                vec![Command::Ask(Question::Whisper)]
            }
            (Talk::Whispering(_) | Talk::Waiting, Happening::LegKey(key)) => {
                let stop = self.stop_playing("whisper");
                self.stage = Stage::Talk(Talk::Pressed);
                self.timer += 1;
                vec![stop, Command::Ask(Question::Accepted(key))]
            }
            (Talk::Whispering(seconds), Happening::PlayedOut(id)) if id == self.id("whisper") => {
                let seconds = *seconds;
                self.stage = Stage::Talk(Talk::Waiting);
                vec![self.wait(seconds)]
            }
            (Talk::LettingGo, Happening::Time(_)) => self.talk_over(),
            (_, Happening::Time(_)) => self.let_leg_go(),
            _ => Vec::new(),
        }
    }

    /// Processes the conversation's answer about the called inspector.
    pub(super) fn told_in_talk(&mut self, program: Program) -> Vec<Command> {
        let Stage::Talk(talk) = &self.stage else {
            return Vec::new();
        };
        match (talk, program.then) {
            (Talk::PickedUp, Then::Keys { seconds, .. }) => {
                let seconds = Duration::from_secs(seconds.into());
                self.stage = Stage::Talk(Talk::Whispering(seconds));
                let media: Vec<_> = program.play.iter().map(|sound| self.media(sound)).collect();
                if media.is_empty() {
                    self.stage = Stage::Talk(Talk::Waiting);
                    return vec![self.wait(seconds)];
                }
                let uri = format!("channels/{}/play", self.leg());
                let body = json!({ "media": media, "playbackId": self.id("whisper") });
                vec![Command::Send(
                    Purpose::Tidy,
                    Request::with("POST", uri, body),
                )]
            }
            (Talk::Pressed, Then::Bridge) => self.put_together(),
            _ => self.let_leg_go(),
        }
    }

    fn put_together(&mut self) -> Vec<Command> {
        let Then::Connect {
            max_seconds,
            record,
            ..
        } = self.program.then
        else {
            return Vec::new();
        };
        self.stage = Stage::Talk(Talk::Speaking);
        let bridge = self.id("bridge");
        let both = json!({ "channel": [self.channel, self.leg()] });
        let send =
            |purpose, uri: String, body| Command::Send(purpose, Request::with("POST", uri, body));
        let mut commands = vec![
            self.stop_playing("ringing"),
            send(
                Purpose::Bridge,
                format!("bridges/{bridge}"),
                json!({ "type": "mixing" }),
            ),
            send(
                Purpose::Bridge,
                format!("bridges/{bridge}/addChannel"),
                both,
            ),
        ];
        if record {
            let body = json!({
                "name": self.recording_name().to_string(),
                "format": "wav",
                "ifExists": "fail",
                "maxDurationSeconds": max_seconds,
                "terminateOn": "none",
            });
            let uri = format!("bridges/{bridge}/record");
            commands.push(send(Purpose::Tidy, uri, body));
        }
        commands.push(self.wait(Duration::from_secs(max_seconds.into())));
        commands
    }

    /// Hangs up the called inspector. [`Self::talk_over`] follows when the channel is gone, or after [`FAREWELL`].
    fn let_leg_go(&mut self) -> Vec<Command> {
        self.stage = Stage::Talk(Talk::LettingGo);
        vec![self.hang_up(&self.leg()), self.wait(FAREWELL)]
    }

    /// The caller is gone: stops dialling, hangs up the inspector's channel and removes the bridge.
    pub(super) fn let_go(&self) -> Vec<Command> {
        vec![self.hang_up(&self.leg()), self.drop_bridge()]
    }

    fn drop_bridge(&self) -> Command {
        let uri = format!("bridges/{}", self.id("bridge"));
        Command::Send(Purpose::Tidy, Request::new("DELETE", uri))
    }

    fn talk_over(&mut self) -> Vec<Command> {
        let mut commands = vec![self.stop_playing("ringing"), self.drop_bridge()];
        commands.extend(self.ask(Question::TalkOver));
        commands
    }
}
