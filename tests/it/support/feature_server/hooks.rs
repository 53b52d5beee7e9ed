//! Signed webhooks, posted twice if told so, and the REST API.

use super::super::{OPEN, clock_at};
use super::{ACCOUNT, API_KEY, FeatureServer, NAME, PUBLIC, SECRET};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

impl FeatureServer {
    /// Returns the fields that every webhook of a call has.
    pub(super) fn of_call(&self, id: &str, status: &str) -> Value {
        self.with(id, |call| {
            json!({
                "call_sid": id, "direction": "inbound", "from": call.from, "to": call.to,
                "call_id": format!("{id}@carrier.example"), "sip_status": 200, "sip_reason": "OK",
                "call_status": status, "account_sid": ACCOUNT, "trace_id": "6789ce9c",
                "application_sid": "33b259c1", "fs_sip_address": "10.0.0.1:5060",
            })
        })
    }

    /// Returns the signature header that jambonz sends for a body at this time.
    pub fn sign(secret: &str, body: &str, at: i64) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(format!("{at}.{body}").as_bytes());
        let bytes = mac.finalize().into_bytes();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("t={at},v1={hex}")
    }

    /// Posts a body unchanged, with this signature header.
    pub async fn post(&self, url: &str, body: &str, signature: &str) -> reqwest::Response {
        let request = self.client.post(self.here(url));
        let request = request.header("Jambonz-Signature", signature);
        let request = request.header("Content-Type", "application/json");
        request
            .body(body.to_owned())
            .send()
            .await
            .expect("an answer")
    }

    /// Posts a webhook, twice if the faults say so, and returns the verbs of the answer. `None` if the answer had none
    /// or the webhook was lost.
    pub(super) async fn hook(&self, url: &str, body: &Value) -> Option<Vec<Value>> {
        if self.faults().hooks_lost {
            return None;
        }
        let first = self.hook_once(url, body).await;
        if self.faults().twice {
            assert_eq!(self.hook_once(url, body).await, first, "the second time");
        }
        first
    }

    async fn hook_once(&self, url: &str, body: &Value) -> Option<Vec<Value>> {
        let body = body.to_string();
        let now = clock_at(OPEN).system_now();
        let answer = self
            .post(url, &body, &Self::sign(SECRET, &body, now.timestamp()))
            .await;
        match answer.status().as_u16() {
            204 => None,
            200 => {
                assert_eq!(answer.headers()["content-type"], "application/json");
                let document: Value = answer.json().await.expect("JSON");
                self.state().documents.push(document.clone());
                Some(document.as_array().expect("an array").clone())
            }
            other => panic!("{url} was answered {other}"),
        }
    }

    /// Posts the status of a call.
    pub(super) async fn status(&self, id: &str, status: &str) {
        let url = format!("{PUBLIC}/hooks/{NAME}/status");
        let body = self.of_call(id, status);
        let lost = self.faults();
        self.set_faults(super::Faults {
            hooks_lost: false,
            ..lost
        });
        assert!(self.hook(&url, &body).await.is_none(), "no verbs");
        self.set_faults(lost);
    }
}

/// The part of jambonz' REST API that the service uses.
pub(super) fn api(server: FeatureServer) -> Router {
    #[expect(clippy::disallowed_methods, reason = "not an address of the service's")]
    Router::new()
        .route(
            "/v1/Accounts/{account}/Calls/{call}",
            axum::routing::get(standing),
        )
        .with_state(server)
}

async fn standing(
    State(server): State<FeatureServer>,
    Path((account, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    if headers["authorization"] != format!("Bearer {API_KEY}") || account != ACCOUNT {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    match server.state().calls.get(&id) {
        Some(call) if !call.over => Json(json!({"call_status": "in-progress"})).into_response(),
        // jambonz forgets a call soon after its end.
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}
