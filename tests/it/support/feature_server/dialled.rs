//! The other leg of a `dial`: ringing, asked for a key, connected with the caller.

use super::{FeatureServer, NAME, PUBLIC, merge};
use serde_json::{Value, json};

/// Verbs that jambonz accepts in an answer for the inspector's leg.
const ALLOWED: [&str; 4] = ["config", "gather", "say", "tag"];

impl FeatureServer {
    fn of_leg(&self, caller: &str, leg: &str, status: &str) -> Value {
        let mut body = self.of_call(caller, status);
        let number = self.verb(caller)["target"][0]["number"].clone();
        let more = json!({
            "call_sid": leg, "parent_call_sid": caller, "direction": "outbound", "to": number,
            "from": self.verb(caller)["callerId"],
        });
        merge(&mut body, more);
        body
    }

    async fn leg_status(&self, caller: &str, leg: &str, status: &str) {
        let url = format!("{PUBLIC}/hooks/{NAME}/status");
        let body = self.of_leg(caller, leg, status);
        assert!(self.hook(&url, &body).await.is_none());
    }

    /// The inspector does not answer the ringing telephone.
    pub async fn nobody_picks_up(&self, caller: &str) {
        self.leg_status(caller, "leg", "no-answer").await;
        self.end_dial(caller, "no-answer").await;
    }

    /// The inspector answers, and is asked to press a key.
    pub async fn pick_up(&self, caller: &str) {
        let leg = format!("leg-of-{caller}");
        let dial = self.verb(caller);
        assert_eq!(dial["verb"], "dial", "somebody is rung");
        for status in ["trying", "ringing", "in-progress"] {
            self.leg_status(caller, &leg, status).await;
        }
        let hook = dial["confirmHook"].as_str().expect("a whisper");
        let body = self.of_leg(caller, &leg, "in-progress");
        let verbs = self.hook(hook, &body).await.expect("verbs");
        let [gather, hangup] = &verbs[..] else {
            panic!("a key is asked for, or it is hung up: {verbs:?}");
        };
        assert_eq!(
            (&gather["verb"], &hangup["verb"]),
            (&json!("gather"), &json!("hangup"))
        );
        self.with(caller, |call| call.leg = Some((leg, verbs)));
    }

    /// The inspector who answered presses a key, or none in time.
    pub async fn press_there(&self, caller: &str, key: Option<char>) {
        let (leg, mut verbs) = self
            .with(caller, |call| call.leg.clone())
            .expect("picked up");
        let gather = verbs.remove(0);
        let mut body = self.of_leg(caller, &leg, "in-progress");
        merge(
            &mut body,
            match key {
                Some(key) => json!({"reason": "dtmfDetected", "digits": key.to_string()}),
                None => json!({"reason": "timeout"}),
            },
        );
        let answer = self
            .hook(gather["actionHook"].as_str().unwrap(), &body)
            .await;
        let mut allowed = answer.unwrap_or_default();
        allowed.retain(|verb| ALLOWED.contains(&verb["verb"].as_str().unwrap()));
        if !allowed.is_empty() {
            verbs = allowed;
        }
        if verbs.iter().any(|verb| verb["verb"] == "hangup") {
            self.leg_status(caller, &leg, "completed").await;
            self.end_dial(caller, "completed").await;
            return;
        }
        self.with(caller, |call| call.talking = true);
        let listen = self.verb(caller)["listen"].clone();
        if !listen.is_null() {
            self.open(caller, &listen)
                .await
                .expect("it may be recorded");
        }
    }

    /// The inspector who answered hangs up.
    pub async fn hang_up_there(&self, caller: &str) {
        let (leg, _) = self
            .with(caller, |call| call.leg.clone())
            .expect("picked up");
        self.close(caller).await;
        self.leg_status(caller, &leg, "completed").await;
        self.end_dial(caller, "completed").await;
    }

    async fn end_dial(&self, caller: &str, status: &str) {
        let dial = self.with(caller, |call| {
            call.talking = false;
            call.leg = None;
            call.current.clone().expect("a dial")
        });
        let more = json!({"dial_call_status": status, "dial_call_sid": "leg"});
        self.act(caller, &dial, more).await;
    }
}
