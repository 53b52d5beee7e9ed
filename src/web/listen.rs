//! The WebSocket to which a provider streams a recording. The request is checked before the upgrade; a connection
//! carries one recording.

use super::hooks::tell;
use crate::conduct::{self, Arriving};
use crate::service::Service;
use crate::store::StoreError;
use crate::telephony::Provider;
use crate::telephony::streams::Stream;
use crate::telephony::streams::listening::MAX_FRAME;
use crate::work::arrive::receive;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt, stream};
use std::sync::Arc;
use tracing::{Instrument, error, error_span, warn};

/// Maximum number of text messages per connection; another one ends it. Providers send one, with data of the call,
/// which is ignored.
const MAX_TEXTS: usize = 100;

/// The variable parts of a stream's address.
#[derive(serde::Deserialize)]
pub(super) struct Address {
    provider: String,
    call: String,
    step: String,
    max_seconds: String,
    silence_seconds: String,
    key: String,
}

impl Address {
    fn stream(&self) -> Option<Stream> {
        Some(Stream {
            call: self.call.parse().ok()?,
            step: self.step.parse().ok()?,
            max_seconds: self.max_seconds.parse().ok()?,
            silence_seconds: self.silence_seconds.parse().ok()?,
        })
    }
}

/// A recording that is stored as begun, and whose request is not upgraded yet. If this is dropped before
/// [`Begun::connected`], because the client has disconnected, the upgrade failed or the time was up, the recording is
/// marked absent, so that the next connection can begin it again.
struct Begun {
    service: Arc<Service>,
    arriving: Option<Arriving>,
}

impl Begun {
    fn new(service: &Arc<Service>, arriving: Arriving) -> Self {
        Self {
            service: Arc::clone(service),
            arriving: Some(arriving),
        }
    }

    fn connected(mut self) -> Arriving {
        self.arriving.take().expect("it is taken once")
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        let Some(arriving) = self.arriving.take() else {
            return;
        };
        let service = Arc::clone(&self.service);
        tokio::spawn(async move {
            let recording = arriving.recording.id;
            match conduct::nothing_came(&service, recording).await {
                Ok(()) => warn!(%recording, "audio stream not upgraded; recording marked absent"),
                Err(error) => {
                    warn!(%recording, %error, "audio stream not upgraded; recording could not be marked absent")
                }
            }
        });
    }
}

/// `GET /hooks/{provider}/listen/{call}/{step}/{max_seconds}/{silence_seconds}/{key}`, for a provider that knows the
/// key, while the call waits for the recording of this step. 404 if the key or the credentials are wrong, or the
/// provider does not stream recordings; 409 if the call does not wait for the recording, or another connection has
/// begun it; 503 if its beginning cannot be stored in time.
pub(super) async fn listen(
    State(service): State<Arc<Service>>,
    Path(address): Path<Address>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let provider = service.providers.get(&address.provider).cloned();
    let provider = provider.and_then(Provider::streams);
    // An address that this service did not make is answered like one with a wrong key.
    let (Some(provider), Some(stream)) = (provider, address.stream()) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let (name, key) = (address.provider, address.key);
    let begin = async {
        let key_of_call = conduct::stream_key(&service, &name, stream.call).await?;
        let fits = key_of_call
            .is_some_and(|of_call| provider.lets_in(&stream, of_call.expose(), &key, &headers));
        if !fits {
            service.metrics.webhooks_refused.inc();
            let url = format!("{}/hooks/{name}/listen/…", service.config.public_url);
            let advice = "the key in the address or the credentials beside it are not those of a running call";
            tell(&service, &name, "stream key", &url, advice);
            return Ok(Err(StatusCode::NOT_FOUND.into_response()));
        }
        let upgrade = match upgrade {
            Ok(upgrade) => upgrade,
            Err(rejection) => return Ok(Err(rejection.into_response())),
        };
        // A separate task, which is not cancelled if the client disconnects: its result is then dropped, which marks
        // the recording absent.
        let beginning = tokio::spawn({
            let (service, name, stream) = (Arc::clone(&service), name.clone(), stream.clone());
            async move {
                let begun = conduct::arriving(&service, &name, &stream).await?;
                Ok::<_, StoreError>(begun.map(|begun| Begun::new(&service, begun)))
            }
        });
        let begun = beginning
            .await
            .map_err(|_| StoreError::Unreadable("beginning of a recording"))??;
        Ok(match begun {
            Some(begun) => Ok((upgrade, begun)),
            None => Err(StatusCode::CONFLICT.into_response()),
        })
    };
    let begun = match tokio::time::timeout(service.patience.webhook, begin).await {
        Ok(Ok(begun)) => begun,
        Ok(Err::<_, StoreError>(reason)) => {
            error!(%reason, "recording not started");
            Err(StatusCode::SERVICE_UNAVAILABLE.into_response())
        }
        Err(_) => {
            error!("recording not started in time");
            Err(StatusCode::SERVICE_UNAVAILABLE.into_response())
        }
    };
    let (upgrade, begun) = match begun {
        Ok(begun) => begun,
        Err(refusal) => return refusal,
    };
    upgrade
        .protocols(provider.protocols().iter().copied())
        .max_message_size(MAX_FRAME)
        .on_upgrade(move |socket| async move {
            let (mut sink, incoming) = socket.split();
            let begun = begun.connected();
            let span = error_span!("stream", call = %stream.call);
            receive(service, provider, stream, begun, audio(incoming))
                .instrument(span)
                .await;
            // The recording is stored or lost by now. Closing the socket lets the provider request the next step; it
            // may be closed already.
            let _ = sink.close().await;
        })
}

/// Returns the binary messages of a connection, which are audio, until it is closed, fails or has sent more than
/// [`MAX_TEXTS`] text messages.
fn audio(incoming: stream::SplitStream<WebSocket>) -> impl stream::Stream<Item = Bytes> {
    incoming
        .scan(0, |texts, frame| {
            *texts += usize::from(matches!(frame, Ok(Message::Text(_))));
            let ended = matches!(frame, Err(_) | Ok(Message::Close(_))) || *texts > MAX_TEXTS;
            std::future::ready((!ended).then_some(frame))
        })
        .filter_map(async |frame| match frame {
            Ok(Message::Binary(audio)) => Some(audio),
            _ => None,
        })
}
