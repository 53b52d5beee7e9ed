//! The WebSocket that a switch (Asterisk) opens to this service. Credentials are checked before the upgrade; after it,
//! one connection carries all calls of that switch.

use super::hooks::{conducted, refuse};
use crate::base::clock::instant;
use crate::conduct;
use crate::service::Service;
use crate::telephony::{Conducted, Conductor, Event, Hook, Provider, RawRequest, Running};
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{SinkExt, StreamExt, stream};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// `GET /hooks/{provider}/ari`, for a switch with the configured credentials; 404 for another kind of provider. Other
/// credentials are refused with 403 before the upgrade, because an Asterisk whose connection is closed after the
/// upgrade reconnects at once, hundreds of times per second.
pub(super) async fn ari(
    State(service): State<Arc<Service>>,
    Path(name): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let provider = service.providers.get(&name).cloned();
    let switch = provider.and_then(Provider::switch);
    let Some(switch) = switch else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let now = service.clock.system_now();
    let raw = RawRequest::new(&service.config.public_url, &uri, headers, Bytes::new(), now);
    if let Err(refused) = switch.authenticate(&raw) {
        return refuse(&service, &name, &raw, refused);
    }
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(rejection) => return rejection.into_response(),
    };
    upgrade
        .protocols([switch.protocol()])
        .max_message_size(switch.max_message())
        .on_upgrade(move |socket| async move {
            let conductor: Arc<dyn Conductor> = Arc::new(Conversation {
                provider: Arc::clone(&switch) as Arc<dyn Provider>,
                service: Arc::clone(&service),
            });
            let mut closing = service.closing.subscribe();
            let (mut sink, incoming) = socket.split();
            let (out, mut frames) = mpsc::unbounded_channel::<String>();
            let writing = async move {
                while let Some(frame) = frames.recv().await {
                    if sink.send(Message::text(frame)).await.is_err() {
                        break;
                    }
                }
                // The result is ignored: the connection may be closed already.
                let _ = sink.close().await;
            };
            let reading = switch.carry(conductor, texts(incoming).boxed(), out);
            let carried = async { tokio::join!(reading, writing) };
            tokio::select! {
                _ = carried => {}
                // An error means that the sender was dropped.
                _ = closing.wait_for(|closing| *closing) => {}
            }
        })
}

/// Returns the text messages of a connection, until it is closed or fails.
fn texts(incoming: stream::SplitStream<WebSocket>) -> impl stream::Stream<Item = String> {
    incoming
        .take_while(|frame| {
            let goes_on = matches!(frame, Ok(frame) if !matches!(frame, Message::Close(_)));
            std::future::ready(goes_on)
        })
        .filter_map(async |frame| match frame {
            Ok(Message::Text(text)) => Some(text.as_str().to_owned()),
            _ => None,
        })
}

/// Hands the events of a provider's connection to the conversation.
struct Conversation {
    service: Arc<Service>,
    provider: Arc<dyn Provider>,
}

impl Conductor for Conversation {
    fn conduct<'a>(&'a self, hook: &'a Hook, event: &'a Event) -> BoxFuture<'a, Conducted> {
        let begun = instant();
        Box::pin(conducted(&self.service, &self.provider, hook, event, begun))
    }

    fn running(&self) -> BoxFuture<'_, Result<Vec<Running>, String>> {
        Box::pin(async {
            let running = conduct::running(&self.service, self.provider.name()).await;
            running.map_err(|error| error.to_string())
        })
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        self.service.timers.sleep(time)
    }

    fn pause(&self, time: Duration) -> BoxFuture<'static, ()> {
        self.service.timers.pause(time)
    }
}
