//! Redirects from http to https. If `public_url` is https, browsers keep no session over plain http, because the
//! session's cookie is only for https.

use crate::service::Service;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use std::net::IpAddr;
use std::sync::Arc;

/// Redirects pages that are requested over plain http to the same path below `public_url`.
pub(super) async fn right_address(
    State(service): State<Arc<Service>>,
    request: Request,
    next: Next,
) -> Response {
    let public_url = &service.config.public_url;
    let get = matches!(*request.method(), Method::GET | Method::HEAD);
    if get && let Some(to) = elsewhere(public_url, request.uri(), request.headers()) {
        return Redirect::temporary(&to).into_response();
    }
    next.run(request).await
}

/// Returns the https address of a request; `None` if the request came over https, or if that is not known.
fn elsewhere(public_url: &str, uri: &Uri, headers: &HeaderMap) -> Option<String> {
    let public = public_url.strip_prefix("https://")?.trim_end_matches('/');
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let plain = match header("x-forwarded-proto") {
        // Only if no proxy was reached over https: otherwise a redirect could loop.
        Some(schemes) => schemes.split(',').all(|scheme| scheme.trim() == "http"),
        // Without this header: only if the host is not the public one, and without the headers that browsers send only
        // over https and to their own machine.
        None => {
            let host = header(header::HOST.as_str())?;
            let host = host.strip_suffix(":443").unwrap_or(host);
            host.trim_end_matches('.') != public
                && !is_own_machine(host)
                && header("sec-fetch-site").is_none()
        }
    };
    let path = uri.path_and_query()?;
    plain.then(|| format!("https://{public}{path}"))
}

/// True for a loopback host, which browsers treat as secure: they keep the cookie there.
fn is_own_machine(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name == "localhost" || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}
