//! A provider whose code panics.

use dutyline::call::script::Script;
use dutyline::service::Service;
use dutyline::telephony::{
    CallStanding, Capabilities, Download, Event, FallbackLine, Finding, Links, Listing, Provider,
    ProviderError, ProviderRecordingId, RawRequest, Refused, Rendered,
};
use futures_util::future::BoxFuture;
use std::sync::Arc;

/// A provider that panics where the one inside has no such recording.
pub struct Panicking(Arc<dyn Provider>);

/// Wraps the provider of the service.
pub fn panics(service: &mut Service) {
    let inner = service.providers.remove("twilio").expect("a provider");
    let outer = Arc::new(Panicking(inner));
    service.providers.insert("twilio".to_owned(), outer);
}

impl Provider for Panicking {
    fn fetch<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Download, ProviderError>> {
        Box::pin(async move {
            match self.0.fetch(id).await {
                Err(ProviderError::NotFound) => panic!("on purpose"),
                other => other,
            }
        })
    }

    fn name(&self) -> &str {
        self.0.name()
    }

    fn account(&self) -> String {
        self.0.account()
    }

    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    fn authenticate(&self, request: &RawRequest) -> Result<(), Refused> {
        self.0.authenticate(request)
    }

    fn signature_headers(&self) -> &'static [&'static str] {
        self.0.signature_headers()
    }

    fn parse(&self, request: &RawRequest) -> Result<Event, Refused> {
        self.0.parse(request)
    }

    fn render(&self, script: &Script, links: &Links) -> Rendered {
        self.0.render(script, links)
    }

    fn render_whisper(&self, script: &Script, links: &Links) -> Rendered {
        self.0.render_whisper(script, links)
    }

    fn render_accepted(&self, accepted: bool) -> Rendered {
        self.0.render_accepted(accepted)
    }

    fn render_fallback(&self, script: &Script, line: Option<&FallbackLine>) -> Rendered {
        self.0.render_fallback(script, line)
    }

    fn delete<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<(), ProviderError>> {
        self.0.delete(id)
    }

    fn is_gone<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<bool, ProviderError>> {
        self.0.is_gone(id)
    }

    fn ask<'a>(&'a self, call: &'a str) -> BoxFuture<'a, Result<CallStanding, ProviderError>> {
        self.0.ask(call)
    }

    fn recordings_of<'a>(
        &'a self,
        call: &'a str,
    ) -> BoxFuture<'a, Result<Vec<ProviderRecordingId>, ProviderError>> {
        self.0.recordings_of(call)
    }

    fn list(
        &self,
        since: chrono::DateTime<chrono::Utc>,
    ) -> BoxFuture<'_, Result<Listing, ProviderError>> {
        self.0.list(since)
    }

    fn look<'a>(&'a self, public_url: &'a str) -> BoxFuture<'a, Vec<Finding>> {
        self.0.look(public_url)
    }
}
