//! The service's requests over the WebSocket, and their effects.

use super::{Channel, Message, Pbx, Waiting};
use bytes::Bytes;
use serde_json::{Value, json};

impl Pbx {
    /// Executes a request and answers it.
    pub(super) fn asked(&self, request: &Value) {
        assert_eq!(request["type"], "RESTRequest", "{request}");
        let uri = request["uri"].as_str().expect("an address");
        let method = request["method"].as_str().expect("a method");
        let body: Value = match request["message_body"].as_str() {
            Some(body) => serde_json::from_str(body).expect("JSON in a text"),
            None => Value::Null,
        };
        let path: Vec<&str> = uri.split('/').collect();
        let mut then = Vec::new();
        let (status, answer) = self.carry_out(method, &path, &body, &mut then);
        let mut response = json!({
            "type": "RESTResponse",
            "transaction_id": request["transaction_id"],
            "request_id": request["request_id"],
            "status_code": status,
            "uri": uri,
        });
        if !answer.is_null() {
            response["content_type"] = json!("application/json");
            response["message_body"] = json!(answer.to_string());
        }
        if let Some(out) = self.out.lock().unwrap().as_ref() {
            let _ = out.send(Message::text(response.to_string()));
        }
        for event in then {
            self.tell(event);
        }
        self.change();
    }

    fn carry_out(
        &self,
        method: &str,
        path: &[&str],
        body: &Value,
        then: &mut Vec<Value>,
    ) -> (u16, Value) {
        let missing = (404, json!({"message": "not found"}));
        let known = |id: &str| self.state().channels.contains_key(id);
        match (method, path) {
            ("GET", ["channels"]) => {
                let ids: Vec<String> = self.state().channels.keys().cloned().collect();
                (200, ids.iter().map(|id| self.channel(id)).collect())
            }
            ("GET", ["recordings", "live", name]) if self.state().live.contains_key(*name) => {
                (200, json!({"name": name}))
            }
            ("GET", ["recordings", "stored", name]) => {
                let state = self.state();
                match state.stored.contains_key(*name) || state.live.contains_key(*name) {
                    true => (200, json!({"name": name, "format": "wav"})),
                    false => missing,
                }
            }
            ("POST", ["channels"]) => self.ring(body),
            ("POST", ["channels", id, _]) if !known(id) => missing,
            ("POST", ["channels", id, "answer"]) => {
                self.state().channels.get_mut(*id).unwrap().up = true;
                (204, Value::Null)
            }
            ("POST", ["channels", id, "play"]) => self.play(id, body, then),
            ("POST", ["channels", id, "record"]) => self.record(id, body),
            ("DELETE", ["channels", id]) if known(id) => {
                self.gone(id, None);
                (204, Value::Null)
            }
            ("DELETE", ["playbacks", id]) => {
                let mut state = self.state();
                let before = state.ringing.len();
                state.ringing.retain(|playing| playing != id);
                match state.ringing.len() < before {
                    true => (204, Value::Null),
                    false => missing,
                }
            }
            ("GET", ["bridges", id]) => match self.state().bridges.get(*id) {
                Some(members) => (200, json!({"id": id, "channels": members})),
                None => missing,
            },
            ("POST", ["bridges", id]) => {
                let mut state = self.state();
                match state.bridges.insert((*id).to_owned(), Vec::new()) {
                    None => (200, json!({"id": id})),
                    Some(_) => (500, json!({"message": "Possible duplicate bridge id"})),
                }
            }
            ("POST", ["bridges", id, "addChannel"]) => self.put_together(id, body),
            ("POST", ["bridges", id, "record"]) => {
                let name = body["name"].as_str().expect("a name").to_owned();
                self.state().live.insert(name, (*id).to_owned());
                (201, json!({}))
            }
            ("DELETE", ["bridges", id]) => match self.state().bridges.remove(*id) {
                Some(_) => (204, Value::Null),
                None => missing,
            },
            _ => missing,
        }
    }

    /// Plays a sound, which ends as soon as it begins, except ringing.
    fn play(&self, id: &str, body: &Value, then: &mut Vec<Value>) -> (u16, Value) {
        let playback = body["playbackId"].as_str().expect("an id of theirs");
        let media = body["media"].as_array().expect("sounds");
        let media = media.iter().map(|media| media.as_str().unwrap().to_owned());
        let media: Vec<String> = media.collect();
        let mut state = self.state();
        if media.iter().any(|media| media.starts_with("tone:")) {
            state.ringing.push(playback.to_owned());
        } else {
            then.push(json!({
                "type": "PlaybackFinished",
                "playback": {"id": playback, "target_uri": format!("channel:{id}"), "state": "done"},
            }));
        }
        state.played.entry(id.to_owned()).or_default().extend(media);
        (201, json!({"id": playback, "state": "queued"}))
    }

    fn record(&self, id: &str, body: &Value) -> (u16, Value) {
        let name = body["name"].as_str().expect("a name").to_owned();
        assert_eq!(
            (&body["terminateOn"], &body["beep"]),
            (&json!("#"), &json!(false))
        );
        let mut state = self.state();
        if state.live.contains_key(&name) || state.stored.contains_key(&name) {
            return (
                409,
                json!({"message": "already exists and can not be overwritten"}),
            );
        }
        state.live.insert(name.clone(), id.to_owned());
        let seconds = body["maxDurationSeconds"].as_u64().expect("a limit");
        state
            .waiting
            .insert(id.to_owned(), Waiting::Speech(seconds));
        state.channels.get_mut(id).unwrap().recording = Some(name);
        (201, json!({}))
    }

    fn ring(&self, body: &Value) -> (u16, Value) {
        let id = body["channelId"]
            .as_str()
            .expect("an id of theirs")
            .to_owned();
        let arguments = body["appArgs"].as_str().expect("arguments");
        let caller = arguments.split(',').nth(1).expect("whose").to_owned();
        let mut state = self.state();
        if state.channels.contains_key(&id) {
            return (
                409,
                json!({"message": "Channel with given unique ID already exists"}),
            );
        }
        let endpoint = body["endpoint"].as_str().expect("an endpoint").to_owned();
        state
            .waiting
            .insert(caller.clone(), Waiting::Ringing(endpoint));
        let leg = Channel {
            leg_of: Some(caller),
            from: body["callerId"].as_str().expect("a number").to_owned(),
            ..Channel::default()
        };
        state.channels.insert(id.clone(), leg);
        (200, json!({"id": id, "state": "Down"}))
    }

    fn put_together(&self, bridge: &str, body: &Value) -> (u16, Value) {
        let both: Vec<String> = serde_json::from_value(body["channel"].clone()).unwrap();
        let mut state = self.state();
        if !both.iter().all(|id| state.channels.contains_key(id)) {
            return (400, json!({"message": "Channel not found"}));
        }
        for id in &both {
            if state.channels[id].leg_of.is_none() {
                state.waiting.insert(id.clone(), Waiting::Talking);
            }
        }
        match state.bridges.get_mut(bridge) {
            Some(members) => members.extend(both),
            None => return (404, Value::Null),
        }
        (204, Value::Null)
    }

    /// Removes a channel and ends its recording.
    pub(super) fn gone(&self, id: &str, saying: Option<Bytes>) {
        let (recording, late) = {
            let mut state = self.state();
            let recording = match state.channels.get_mut(id) {
                Some(channel) if !channel.hung_up => channel.recording.take(),
                _ => return,
            };
            state.channels.get_mut(id).unwrap().hung_up = true;
            (recording, state.faults.recording_after_end)
        };
        // The recording of a conversation ends when the first of the two leaves.
        let talk = {
            let state = self.state();
            let bridge = state
                .bridges
                .iter()
                .find(|(_, members)| members.iter().any(|m| m == id));
            let bridge = bridge.map(|(bridge, _)| bridge.clone());
            let mut live = state.live.iter();
            bridge.and_then(|b| live.find(|(_, of)| **of == b).map(|(name, _)| name.clone()))
        };
        let done = recording.or(talk);
        let finish = |pbx: &Self| {
            if let Some(name) = &done {
                pbx.recorded(name, saying.clone().unwrap_or_default());
            }
        };
        if !late {
            finish(self);
        }
        let channel = self.state().channels.remove(id).unwrap();
        let event = match channel.leg_of.is_some() && !channel.up {
            true => json!({"type": "Dial", "dialstatus": "CANCEL", "peer": {"id": id}}),
            false => json!({"type": "StasisEnd", "channel": {"id": id}}),
        };
        if channel.leg_of.is_none() {
            self.state().waiting.insert(id.to_owned(), Waiting::Over);
        }
        self.tell(event);
        if late {
            finish(self);
        }
        self.change();
    }

    /// Stores a recording and sends its end. Without audio the file has a WAV header alone.
    pub(super) fn recorded(&self, name: &str, audio: Bytes) {
        self.recorded_for(name, audio, None);
    }

    /// Like `recorded`, with this length in seconds.
    pub(super) fn recorded_for(&self, name: &str, audio: Bytes, seconds: Option<u64>) {
        let seconds = seconds.unwrap_or(audio.len().saturating_sub(44) as u64 / 16_000);
        {
            let mut state = self.state();
            let on = state.live.remove(name);
            if let Some(channel) = on.and_then(|on| state.channels.get_mut(&on)) {
                channel.recording = None;
            }
            let file = match audio.is_empty() {
                true => super::files::empty_wav(),
                false => audio,
            };
            state.stored.insert(name.to_owned(), file);
        }
        self.tell(json!({
            "type": "RecordingFinished",
            "recording": {"name": name, "format": "wav", "state": "done", "duration": seconds},
        }));
    }

    /// Returns a channel as Asterisk lists it.
    pub(super) fn channel(&self, id: &str) -> Value {
        let state = self.state();
        let channel = &state.channels[id];
        let (app_name, data) = match &channel.leg_of {
            Some(caller) if channel.up => ("Stasis", format!("dutyline,rung,{caller}")),
            Some(_) => ("AppDial2", "(Outgoing Line)".to_owned()),
            None => ("Stasis", format!("dutyline,{}", channel.dialled)),
        };
        json!({
            "id": id,
            "caller": {"name": "", "number": channel.from},
            "dialplan": {
                "context": "inbound", "exten": channel.dialled, "priority": 1,
                "app_name": app_name, "app_data": data,
            },
        })
    }
}
