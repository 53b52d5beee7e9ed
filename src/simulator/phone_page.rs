//! The telephone in the browser: one page and a few modules, without a build step. It uses [`super::phone_api`], as
//! the telephone in the terminal does; its style sheet extends the console's, and its icon is the console's.
//!
//! | file in `page/` | contents |
//! |---|---|
//! | `phone.html`, `phone.css` | the page |
//! | `phone.js` | the display and the caller's actions |
//! | `line.js` | the requests |
//! | `voice.js` | audio output: words, beeps, recordings |
//! | `microphone.js` | records a message from the microphone as a WAV file |
//! | `recorder.js`, `resampler.js` | the part of `microphone.js` on the audio thread: resampling to 8 kHz |
//! | `words.js` | the page's texts, in two languages |

use axum::Router;
use axum::extract::{Path, Request};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

const HTML: &str = "text/html; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// `Content-Security-Policy` of all responses at `/phone`: only files of this origin, no inline content, no frames.
/// `blob:` is allowed for audio, because a fetched recording is played from such a URL.
const CONTENT_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     media-src 'self' blob:; img-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'";

/// Returns the routes of the page and its files, to be nested at `/phone` by [`super::telephone`].
#[expect(
    clippy::disallowed_methods,
    reason = "the far side has no inspectors, so its addresses have no policies"
)]
pub fn router() -> Router {
    Router::new()
        .route("/", get(page))
        .route("/assets/{name}", get(asset))
        .route("/sample.wav", get(sample))
}

/// Adds security headers to all responses of `phone`. They forbid caching, framing and content from elsewhere, and
/// allow the page to use the microphone.
pub fn guarded(phone: Router) -> Router {
    phone.layer(middleware::from_fn(guard_headers))
}

async fn page() -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, HTML)],
        include_str!("page/phone.html"),
    )
}

async fn asset(Path(name): Path<String>) -> Response {
    let (kind, content) = match name.as_str() {
        "phone.css" => (STYLE, include_str!("page/phone.css")),
        "phone.js" => (SCRIPT, include_str!("page/phone.js")),
        "line.js" => (SCRIPT, include_str!("page/line.js")),
        "voice.js" => (SCRIPT, include_str!("page/voice.js")),
        "microphone.js" => (SCRIPT, include_str!("page/microphone.js")),
        "recorder.js" => (SCRIPT, include_str!("page/recorder.js")),
        "resampler.js" => (SCRIPT, include_str!("page/resampler.js")),
        "words.js" => (SCRIPT, include_str!("page/words.js")),
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    ([(header::CONTENT_TYPE, kind)], content).into_response()
}

async fn sample() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "audio/wav")], super::SAMPLE)
}

async fn guard_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, CONTENT_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            HeaderName::from_static("permissions-policy"),
            "microphone=(self)",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::CONTENT_POLICY;
    use crate::simulator::SAMPLE;
    use crate::simulator::testing::{Service, phone_of};

    struct Page {
        origin: String,
        client: reqwest::Client,
    }

    impl Page {
        async fn start() -> Self {
            let service = Service::start().await;
            Self {
                origin: phone_of(&service.exchange()).await,
                client: reqwest::Client::builder().no_proxy().build().unwrap(),
            }
        }

        async fn get(&self, path: &str) -> reqwest::Response {
            let url = format!("{}{path}", self.origin);
            self.client.get(url).send().await.unwrap()
        }
    }

    /// Returns the paths of the scripts, style sheets and audio of the telephone that a file names in quotes.
    fn named(text: &str) -> Vec<String> {
        text.split(['"', '\''])
            .filter_map(|part| match part.strip_prefix("./") {
                Some(name) => Some(format!("/phone/assets/{name}")),
                None => part.starts_with("/phone/").then(|| part.to_owned()),
            })
            .filter(|path| {
                path.ends_with(".js") || path.ends_with(".css") || path.ends_with(".wav")
            })
            .collect()
    }

    #[tokio::test]
    async fn every_file_the_page_names_is_there() {
        let page = Page::start().await;
        let mut files = vec!["/phone".to_owned()];
        let mut at = 0;
        while let Some(path) = files.get(at) {
            let answer = page.get(path).await;
            assert_eq!(answer.status().as_u16(), 200, "{path}");
            let headers = answer.headers().clone();
            assert_eq!(headers["content-security-policy"], CONTENT_POLICY);
            assert_eq!(headers["permissions-policy"], "microphone=(self)");
            assert_eq!(headers["x-content-type-options"], "nosniff");
            assert_eq!(headers["x-frame-options"], "DENY");
            assert_eq!(headers["referrer-policy"], "no-referrer");
            if path.ends_with(".wav") {
                assert_eq!(answer.bytes().await.unwrap(), SAMPLE);
            } else {
                let text = answer.text().await.unwrap();
                assert!(!text.contains("<script>") && !text.contains("style="));
                for name in named(&text) {
                    if !files.contains(&name) {
                        files.push(name);
                    }
                }
            }
            at += 1;
        }
        assert_eq!(files.len(), 10, "{files:?}");
        assert_eq!(page.get("/phone/assets/none.js").await.status(), 404);
    }

    #[tokio::test]
    async fn with_a_slash_it_is_the_same_page() {
        let page = Page::start().await;
        let answer = page.get("/phone/").await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.url().path(), "/phone");
    }
}
