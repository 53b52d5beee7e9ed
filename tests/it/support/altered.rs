//! A provider that behaves as another one, with one difference.

use chrono::{DateTime, Utc};
use dutyline::call::script::Script;
use dutyline::telephony::{
    CallStanding, Capabilities, Download, Event, FallbackLine, Finding, Links, Listing, Provider,
    ProviderError, ProviderRecordingId, RawRequest, Refused, Rendered,
};
use futures_util::future::BoxFuture;
use std::sync::Arc;

/// A provider that delegates to another one, with one difference.
pub struct Altered {
    provider: Arc<dyn Provider>,
    has_voice: bool,
    panics: bool,
}

impl Altered {
    /// Returns a provider that cannot speak text.
    pub fn speechless(provider: &Arc<dyn Provider>) -> Arc<dyn Provider> {
        Arc::new(Self {
            provider: Arc::clone(provider),
            has_voice: false,
            panics: false,
        })
    }

    /// Returns a provider that panics when it renders the answer to an inspector's key (`render_accepted`).
    pub fn panics(provider: &Arc<dyn Provider>) -> Arc<dyn Provider> {
        Arc::new(Self {
            provider: Arc::clone(provider),
            has_voice: provider.capabilities().has_voice,
            panics: true,
        })
    }
}

impl Provider for Altered {
    fn name(&self) -> &str {
        self.provider.name()
    }

    fn account(&self) -> String {
        self.provider.account()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            has_voice: self.has_voice,
            ..self.provider.capabilities()
        }
    }

    fn authenticate(&self, request: &RawRequest) -> Result<(), Refused> {
        self.provider.authenticate(request)
    }

    fn signature_headers(&self) -> &'static [&'static str] {
        self.provider.signature_headers()
    }

    fn parse(&self, request: &RawRequest) -> Result<Event, Refused> {
        self.provider.parse(request)
    }

    fn render(&self, script: &Script, links: &Links) -> Rendered {
        self.provider.render(script, links)
    }

    fn render_whisper(&self, script: &Script, links: &Links) -> Rendered {
        self.provider.render_whisper(script, links)
    }

    fn render_accepted(&self, accepted: bool) -> Rendered {
        assert!(!self.panics, "as the test wants it");
        self.provider.render_accepted(accepted)
    }

    fn render_fallback(&self, script: &Script, line: Option<&FallbackLine>) -> Rendered {
        self.provider.render_fallback(script, line)
    }

    fn fetch<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Download, ProviderError>> {
        self.provider.fetch(id)
    }

    fn delete<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<(), ProviderError>> {
        self.provider.delete(id)
    }

    fn is_gone<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<bool, ProviderError>> {
        self.provider.is_gone(id)
    }

    fn ask<'a>(&'a self, call: &'a str) -> BoxFuture<'a, Result<CallStanding, ProviderError>> {
        self.provider.ask(call)
    }

    fn recordings_of<'a>(
        &'a self,
        call: &'a str,
    ) -> BoxFuture<'a, Result<Vec<ProviderRecordingId>, ProviderError>> {
        self.provider.recordings_of(call)
    }

    fn list(&self, since: DateTime<Utc>) -> BoxFuture<'_, Result<Listing, ProviderError>> {
        self.provider.list(since)
    }

    fn look<'a>(&'a self, public_url: &'a str) -> BoxFuture<'a, Vec<Finding>> {
        self.provider.look(public_url)
    }
}
