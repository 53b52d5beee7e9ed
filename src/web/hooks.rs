//! Webhooks. In this order: body limit, signature, parsing, commit, response.

use super::BODY_LIMIT;
use crate::audio::wav::header as header_of;
use crate::base::clock::instant;
use crate::call::flow;
use crate::conduct::{self, Hook, StepRef};
use crate::config::TakeSignature;
use crate::service::Service;
use crate::service::metrics::seconds_since;
use crate::service::refusals::without_values;
use crate::service::security_log;
use crate::service::webhooks::Reply;
use crate::store::StoreError;
use crate::telephony::{Conducted, Event, Provider, ProviderError, RawRequest, Refused, Rendered};
use axum::body::Body;
use axum::extract::{Path, Query, Request, State};
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::{Instrument, error, error_span, warn};
use uuid::Uuid;

/// Maximum size of a take that is played back, in bytes. Silence is played instead of a larger one.
const LARGEST_TAKE: usize = 64 * 1024 * 1024;

type App = State<Arc<Service>>;

pub(super) async fn call(app: App, Path(provider): Path<String>, request: Request) -> Response {
    webhook(app, &provider, request, |_| Hook::Call).await
}

pub(super) async fn step(app: App, Path(provider): Path<String>, request: Request) -> Response {
    webhook(app, &provider, request, |uri| Hook::Step(step_meant(uri))).await
}

pub(super) async fn said(app: App, Path(provider): Path<String>, request: Request) -> Response {
    webhook(app, &provider, request, |uri| Hook::Said(step_meant(uri))).await
}

pub(super) async fn whisper(app: App, Path(provider): Path<String>, request: Request) -> Response {
    webhook(app, &provider, request, |uri| {
        Hook::Whisper(step_meant(uri))
    })
    .await
}

pub(super) async fn accepted(app: App, Path(provider): Path<String>, request: Request) -> Response {
    webhook(app, &provider, request, |uri| {
        Hook::Accepted(step_meant(uri))
    })
    .await
}

pub(super) async fn status(app: App, Path(provider): Path<String>, request: Request) -> Response {
    webhook(app, &provider, request, |_| Hook::Status).await
}

pub(super) async fn recording(
    app: App,
    Path(provider): Path<String>,
    request: Request,
) -> Response {
    webhook(app, &provider, request, |uri| {
        Hook::Recording(step_ref(uri))
    })
    .await
}

pub(super) async fn fallback(app: App, Path(provider): Path<String>, request: Request) -> Response {
    webhook(app, &provider, request, |_| Hook::Fallback).await
}

fn step_ref(uri: &Uri) -> Option<StepRef> {
    Query::try_from_uri(uri).ok().map(|Query(step)| step)
}

/// Returns the step that the query of an address names. If the query names none, because this service did not make the
/// address, returns a step that no call has.
fn step_meant(uri: &Uri) -> StepRef {
    step_ref(uri).unwrap_or_else(|| StepRef {
        call: Uuid::nil(),
        line: String::new(),
        step: u32::MAX,
        nothing: None,
    })
}

async fn webhook(
    State(service): App,
    provider: &str,
    request: Request,
    hook: impl FnOnce(&Uri) -> Hook,
) -> Response {
    let Some(provider) = service.providers.get(provider).cloned() else {
        unknown_provider(&service);
        return StatusCode::NOT_FOUND.into_response();
    };
    let (raw, uri) = match raw_request(&service, provider.name(), request).await {
        Ok(raw) => raw,
        Err(too_large) => return too_large,
    };
    let begun = instant();
    let event = match provider
        .authenticate(&raw)
        .and_then(|()| provider.parse(&raw))
    {
        Ok(event) => event,
        Err(refused) => return refuse(&service, provider.name(), &raw, refused),
    };
    let event = with_line(&service, provider.name(), &uri, event);
    let hook = hook(&uri);
    match conducted(&service, &provider, &hook, &event, begun).await {
        Conducted::Script(rendered) | Conducted::Fallback(rendered) => script(rendered),
        Conducted::Noted => StatusCode::NO_CONTENT.into_response(),
        Conducted::Unavailable => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

/// Returns a request in the form that its signature covers, and its address as received. `Err` is the response to a
/// request whose body is cut short or larger than [`BODY_LIMIT`].
async fn raw_request(
    service: &Service,
    provider: &str,
    request: Request,
) -> Result<(RawRequest, Uri), Response> {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, BODY_LIMIT).await else {
        let url = format!("{}{}", service.config.public_url, parts.uri.path());
        let advice = "the body is cut short or larger than 64 KiB";
        tell(service, provider, "size", &without_values(&url), advice);
        return Err(StatusCode::PAYLOAD_TOO_LARGE.into_response());
    };
    let (public_url, now) = (&service.config.public_url, service.clock.system_now());
    let raw = RawRequest::new(public_url, &parts.uri, parts.headers, body, now);
    Ok((raw, parts.uri))
}

/// If the webhook does not name the number of a line, sets the called number of its event to that of the line that the
/// address names, if any: the addresses in fallback answers name a line, with a key.
fn with_line(service: &Service, provider: &str, uri: &Uri, mut event: Event) -> Event {
    if service.config.line_dialled(event.to.expose()).is_none()
        && let Some(line) = conduct::line_of_fallback(service, provider, uri)
    {
        event.to = line.number.to_string().into();
    }
    event
}

/// Conducts an event of a provider: commits it, then returns the answer. If it cannot be committed in time, or does not
/// name its call, returns the fallback answer, which is made from configuration and clock alone. A status or recording
/// callback has none: it gets [`Conducted::Unavailable`] if it cannot be committed in time. `begun` is when the webhook
/// was read.
///
/// Lines that are logged meanwhile have two fields: the kind of the webhook and, if the address names a call, this
/// service's id of it.
pub(super) async fn conducted(
    service: &Arc<Service>,
    provider: &Arc<dyn Provider>,
    hook: &Hook,
    event: &Event,
    begun: Instant,
) -> Conducted {
    let metrics = &service.metrics;
    metrics.webhooks.inc();
    metrics.webhooks_by_kind.of(hook.kind()).inc();
    // At the level of errors, so that the span is enabled for every line that is logged in it.
    let span = match hook.call() {
        Some(call) => error_span!("webhook", hook = hook.kind(), %call),
        None => error_span!("webhook", hook = hook.kind()),
    };
    let conducted = written_down(service, provider, hook, event)
        .instrument(span)
        .await;
    let seconds = metrics.webhook_seconds.of(hook.kind());
    seconds.observe(seconds_since(begun));
    conducted
}

async fn written_down(
    service: &Arc<Service>,
    provider: &Arc<dyn Provider>,
    hook: &Hook,
    event: &Event,
) -> Conducted {
    let answered;
    let hook = match hook {
        // No key was pressed yet, so the step has no answer: the provider goes on with the rest of the prompt.
        Hook::Said(_) if event.keys.is_none() && !event.ended => return Conducted::Noted,
        Hook::Said(at) => {
            answered = Hook::Step(at.clone());
            &answered
        }
        hook => hook,
    };
    // Webhooks of these two kinds have the call in their address.
    let of_known_call =
        event.names_a_call() || matches!(hook, Hook::Whisper(_) | Hook::Accepted(_));
    let begun = service.health.begin();
    let conducted = async {
        if of_known_call {
            let reply = conduct::conduct(service, provider, hook, event).await?;
            return Ok::<_, StoreError>(Some(reply));
        }
        warn!(
            provider = provider.name(),
            hook = hook.kind(),
            "webhook without a readable call id"
        );
        conduct::keep_without_call(service, provider.as_ref(), event).await?;
        Ok(None)
    };
    match tokio::time::timeout(service.patience.webhook, conducted).await {
        Ok(Ok(reply)) => {
            service.health.succeeded(begun);
            return match reply {
                Some(Reply::Script(rendered)) => Conducted::Script(rendered),
                Some(Reply::Noted) => Conducted::Noted,
                None if matches!(hook, Hook::Status | Hook::Recording(_)) => Conducted::Noted,
                None => fallback_answer(service, provider.as_ref(), hook, event),
            };
        }
        Ok(Err(error)) => error!(%error, "webhook failed; answered without the database"),
        Err(_) => error!("webhook timed out; answered without the database"),
    }
    service.health.failed();
    fallback_answer(service, provider.as_ref(), hook, event)
}

/// Returns the response to a webhook that is refused. The reason is logged for the operator; the response does not tell
/// it.
pub(super) fn refuse(
    service: &Service,
    provider: &str,
    raw: &RawRequest,
    refused: Refused,
) -> Response {
    service.metrics.webhooks_refused.inc();
    let url = without_values(&raw.url);
    tell(service, provider, refused.check(), &url, refused.advice());
    match refused {
        Refused::Unsigned | Refused::Stale | Refused::Forged | Refused::OtherAccount => {
            StatusCode::FORBIDDEN.into_response()
        }
    }
}

/// Logs that a webhook was refused, at most once a minute for each provider and check. `check` is what was checked,
/// `advice` what the operator can do, and `url` the address as this service builds it, [`without_values`].
pub(super) fn tell(
    service: &Service,
    provider: &str,
    check: &'static str,
    url: &str,
    advice: &'static str,
) {
    security_log::webhook_refused(&service.refusals, provider, check, url, advice);
}

/// Logs a webhook for an unknown provider. The name in the address is not logged, because any client can choose it.
fn unknown_provider(service: &Service) {
    let url = format!("{}/hooks/…", service.config.public_url);
    let advice = "no provider of this name is configured; compare the address entered at the provider with `dutyline check --webhook /hooks/NAME/call`";
    tell(service, "", "provider", &url, advice);
}

/// Returns the answer to a webhook that could not be committed or does not name its call: the words of the line's
/// phase, from configuration and clock alone; a goodbye after a recording; the end of the call to an inspector. A
/// status or recording callback, which needs no script, is not acknowledged, because it was not stored.
fn fallback_answer(
    service: &Service,
    provider: &dyn Provider,
    hook: &Hook,
    event: &Event,
) -> Conducted {
    service.metrics.webhooks_fallback.inc();
    if matches!(hook, Hook::Status | Hook::Recording(_)) {
        return Conducted::Unavailable;
    }
    // The call to the duty inspector is ended, because an acceptance could not be stored.
    if matches!(hook, Hook::Whisper(_) | Hook::Accepted(_)) {
        return Conducted::Fallback(provider.render_accepted(false));
    }
    let named = match hook {
        Hook::Step(at) => service.config.line(&at.line),
        _ => None,
    };
    let Some(line) = named.or_else(|| service.config.line_called(event.to.expose())) else {
        return Conducted::Fallback(conduct::not_in_service(service, provider));
    };
    // A caller who has just left a recording is thanked instead of being asked for another one.
    let said = if event.recording.is_some() || event.unnamed.is_some() {
        flow::goodbye(line, 0)
    } else {
        let records = !provider.capabilities().streams_recordings;
        flow::fallback(line, service.clock.line_now(), records)
    };
    let line = conduct::fallback_line(service, provider.name(), line);
    Conducted::Fallback(provider.render_fallback(&said, Some(&line)))
}

fn script(rendered: Rendered) -> Response {
    (
        [(header::CONTENT_TYPE, rendered.content_type.into_owned())],
        rendered.body,
    )
        .into_response()
}

/// `GET` and `POST /hooks/{provider}/take/{call}/{step}/{key}`, for a provider that knows the key. Fetches the
/// recording that `step` made from the provider into memory, and responds with it, to be played back to the caller. If
/// the fetch fails or takes too long, responds with 0.1 s of silence, so that the call goes on. Responds 404 if the key
/// is wrong, if the call is not at the step that plays the take, if there is no such recording, or from the ninth
/// request for this address on this node. A signature must be right if there is one, and is required if the
/// configuration says so.
pub(super) async fn take(
    State(service): App,
    Path((name, call, step, key)): Path<(String, Uuid, u32, String)>,
    request: Request,
) -> Response {
    let Some(provider) = service.providers.get(&name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let raw = match raw_request(&service, &name, request).await {
        Ok((raw, _)) => raw,
        Err(too_large) => return too_large,
    };
    let mut headers = provider.signature_headers().iter();
    let is_signed = headers.any(|header| raw.headers.contains_key(*header));
    let must_be = || {
        let mut providers = service.config.providers.iter();
        let configured = providers.find(|provider| provider.name == name);
        configured.is_some_and(|provider| provider.take_signature == TakeSignature::Required)
    };
    if (is_signed || must_be())
        && let Err(refused) = provider.authenticate(&raw)
    {
        return refuse(&service, &name, &raw, refused);
    }
    let played = async {
        let found = conduct::find_take(&service, &name, call, step, &key);
        let found = tokio::time::timeout(service.patience.webhook, found)
            .await
            .map_err(|_| "the database did not answer in time".to_owned())?;
        let Some(recording) = found.map_err(|error| error.to_string())? else {
            return Ok(StatusCode::NOT_FOUND.into_response());
        };
        let provider = service.provider_that_knows(&recording);
        let provider = provider.map_err(|error| error.to_string())?;
        let audio = copy(provider.as_ref(), &recording.id).await;
        audio.map(wav).map_err(|error| error.to_string())
    };
    match tokio::time::timeout(service.patience.take, played).await {
        Ok(Ok(response)) => response,
        Ok(Err(reason)) => {
            warn!(provider = name, %call, step, reason, "take not played back; silence sent");
            silence()
        }
        Err(_) => {
            warn!(provider = name, %call, step, reason = "time limit reached", "take not played back; silence sent");
            silence()
        }
    }
}

/// Fetches a whole recording into memory; fails if it is larger than [`LARGEST_TAKE`]. While the provider does not have
/// it, the request is repeated 250 ms after each answer; the caller of this function limits the time.
async fn copy(provider: &dyn Provider, id: &str) -> Result<Vec<u8>, ProviderError> {
    loop {
        match provider.fetch(id).await {
            Ok(mut download) => {
                let mut audio = Vec::new();
                while let Some(chunk) = download.body.next().await {
                    audio.extend_from_slice(&chunk?);
                    if audio.len() > LARGEST_TAKE {
                        return Err(ProviderError::Failed("the recording is too large".into()));
                    }
                }
                return Ok(audio);
            }
            Err(ProviderError::NotFound) => tokio::time::sleep(Duration::from_millis(250)).await,
            Err(error) => return Err(error),
        }
    }
}

fn wav(audio: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, "audio/wav")], Body::from(audio)).into_response()
}

/// Returns 0.1 s of silence as WAV, so that the provider's player goes on instead of playing an error.
fn silence() -> Response {
    const BYTES: u32 = 1600;
    let mut audio = header_of(BYTES).to_vec();
    audio.resize(audio.len() + BYTES as usize, 0);
    wav(audio)
}
