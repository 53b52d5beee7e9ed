//! Ringing somebody of the roster, and the talk.

use super::{Command, FAREWELL, Happening, Performance, Purpose, Question, Request, Stage};
use crate::telephony::asterisk::program::{Program, Then};
use serde_json::json;
use std::time::Duration;

/// How much longer than it should a telephone may ring before it is let go from here.
const OVERDUE: Duration = Duration::from_secs(3);

/// How far it has come with whoever is rung.
#[derive(Debug)]
pub(super) enum Talk {
    /// Their telephone rings.
    Ringing,
    /// They picked up, and are about to be told what it is.
    PickedUp,
    /// They are being told. These sounds can be cut short by a key, which is waited for so long.
    Whispering(Duration),
    /// They were told, and have some time to press a key.
    Waiting,
    /// They pressed a key, and the conversation was asked what becomes of it.
    Pressed,
    /// The two speak with each other.
    Speaking,
    /// They are to be gone.
    LettingGo,
}

impl Performance {
    /// Rings somebody while the caller hears ringing.
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
            // Its sound is the caller's kind of sound. Without it a leg through the dialplan has a kind the trunk has not.
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
            // They stay apart: somebody who can be heard by nobody is no talk.
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

    /// What the conversation answers about whoever was rung.
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

    /// Whoever was rung is hung up; what comes then is told when they are gone.
    fn let_leg_go(&mut self) -> Vec<Command> {
        self.stage = Stage::Talk(Talk::LettingGo);
        vec![self.hang_up(&self.leg()), self.wait(FAREWELL)]
    }

    /// The caller is gone: nobody is to be rung any more, nobody to sit in an empty bridge.
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
