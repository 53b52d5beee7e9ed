//! The socket a recording is streamed to: let in before the upgrade, then one recording, then the end.

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

/// So many messages that are no audio are let pass: there is one, about the call, and it is not looked at.
const MAX_TEXTS: usize = 100;

/// What stands in the address.
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

/// A recording that is written down as begun and waits for its connection. Dropped before that, because the client has
/// gone or the upgrade failed, it is written down as one of which nothing came: the next connection can begin it.
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
                Ok(()) => warn!(%recording, "the connection of a recording was not upgraded"),
                Err(error) => {
                    warn!(%recording, %error, "the connection of a recording was not upgraded, and that is not written down")
                }
            }
        });
    }
}

/// `GET /hooks/{provider}/listen/…`. With the key in the address, and while the call waits for it.
pub(super) async fn listen(
    State(service): State<Arc<Service>>,
    Path(address): Path<Address>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let provider = service.providers.get(&address.provider).cloned();
    let provider = provider.and_then(Provider::streams);
    // One that was not made here is missing, like one with another key.
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
        // A task of its own: it goes on when the client is gone, so that what it writes down is undone by its result.
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
            error!(%reason, "a recording could not be begun");
            Err(StatusCode::SERVICE_UNAVAILABLE.into_response())
        }
        Err(_) => {
            error!("a recording could not be begun in time");
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
            // It is written down: now the provider may ask what comes next. The socket may be gone already.
            let _ = sink.close().await;
        })
}

/// The audio that comes in, until the connection ends.
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
