//! Redirects from http to https. If `public_url` is https, browsers keep no session over plain http, because the
//! session's cookie is only for https.

use crate::service::Service;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use std::net::IpAddr;
use std::sync::Arc;

/// Redirects `GET` and `HEAD` requests that came over plain http to the same path and query at `public_url`, if that is
/// https. Other requests, and those whose scheme is not known, are passed on.
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

/// Returns the address that a request has at `public_url`; `None` if `public_url` is not https, if the request came
/// over https, or if its scheme is not known.
fn elsewhere(public_url: &str, uri: &Uri, headers: &HeaderMap) -> Option<String> {
    let public = public_url.strip_prefix("https://")?.trim_end_matches('/');
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let plain = match header("x-forwarded-proto") {
        // Plain only if no proxy was reached over https: otherwise redirects could loop.
        Some(schemes) => schemes.split(',').all(|scheme| scheme.trim() == "http"),
        // Without this header, plain only if the host is neither the public one nor this machine, and there is no
        // `Sec-Fetch-Site`, which browsers send only over https and to their own machine.
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

/// True for a loopback host. Browsers treat it as secure and keep the cookie there.
fn is_own_machine(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name == "localhost" || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}
