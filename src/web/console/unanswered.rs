//! Error pages for requests that were refused before a handler answered: a wrong method, a form that is too large, an
//! address that cannot be parsed, a form from another site. Without them a browser would show an empty page, or a plain
//! text of the framework.

use super::page::{Page, ProblemPage, Refused, render};
use super::words::Words;
use axum::body::HttpBody;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tower_http::csrf::ProtectionError;

/// Replaces a response with status 400, 405 or 413 by an error page, if its body is empty or plain text; 400 becomes
/// 404. Replaces a refusal by the check for forms from other sites in any case. Returns other responses unchanged.
pub(super) fn explained(w: &'static Words, response: Response) -> Response {
    if response.extensions().get::<ProtectionError>().is_some() {
        // Without the common frame: no session is looked up for a request that another site may have made.
        return page(w, StatusCode::FORBIDDEN, &w.forbidden_title, &w.other_site);
    }
    if !is_bare(&response) {
        return response;
    }
    let (status, title, text) = match response.status() {
        StatusCode::METHOD_NOT_ALLOWED => (
            StatusCode::METHOD_NOT_ALLOWED,
            &w.wrong_method_title,
            &w.wrong_method_text,
        ),
        StatusCode::PAYLOAD_TOO_LARGE => (
            StatusCode::PAYLOAD_TOO_LARGE,
            &w.too_long_title,
            &w.too_long_text,
        ),
        // The path could not be parsed: part of it is not UTF-8, or not a number where one is expected.
        StatusCode::BAD_REQUEST => (StatusCode::NOT_FOUND, &w.missing_title, &w.missing_text),
        _ => return response,
    };
    let mut explained = page(w, status, title, text);
    explained.extensions_mut().insert(Refused {
        title: title.clone(),
        text: text.clone(),
    });
    if let Some(allow) = response.headers().get(header::ALLOW) {
        explained.headers_mut().insert(header::ALLOW, allow.clone());
    }
    explained
}

/// True if the response has no body or a plain text body.
fn is_bare(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE);
    let is_plain = |kind: &HeaderValue| kind.as_bytes().starts_with(b"text/plain");
    response.body().is_end_stream() || kind.is_some_and(is_plain)
}

fn page(w: &'static Words, status: StatusCode, title: &str, text: &str) -> Response {
    let page = Page {
        back: "/console/".to_owned(),
        ..Page::of_nobody(w)
    };
    (status, render(&ProblemPage { page, title, text })).into_response()
}
