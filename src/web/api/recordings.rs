//! The endpoint that returns recordings.

use super::answers::{Failed, LoggedOut, Missing, NotForThisRole, OutOfRange};
use super::{Answer, App, Caller, Path, Problem, report_id};
use crate::web::audio;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use utoipa::ToSchema;

/// A WAV file: as the provider served it, or as the service wrote it from the audio that the provider streamed.
#[derive(ToSchema)]
#[schema(value_type = String, content_media_type = "audio/wav")]
#[expect(dead_code, reason = "only described: the bytes are streamed")]
pub(super) struct Wav(Vec<u8>);

/// Returns a recording, or a range of it.
///
/// Each request that is answered with audio is recorded in the audit trail before the first byte is sent.
#[utoipa::path(
    get,
    path = "/reports/{id}/recordings/{n}",
    operation_id = "recording_play",
    tag = "reports",
    params(
        ("id" = Uuid, Path, description = "The report's id."),
        ("n" = u32, Path, description = "The recording's number.", minimum = 1),
        (
            "Range" = Option<String>,
            Header,
            description = "One range of bytes. Several at once, and other units, are answered with the whole.",
            nullable = false,
            example = "bytes=0-1023",
        ),
    ),
    responses(
        (
            status = 200,
            description = "The whole.",
            body = Wav,
            content_type = "audio/wav",
            headers(
                ("accept-ranges" = String, description = "`bytes`."),
                ("content-length" = u64, description = "Its length."),
            ),
        ),
        (
            status = 206,
            description = "The range that was asked for.",
            body = Wav,
            content_type = "audio/wav",
            headers(
                ("accept-ranges" = String, description = "`bytes`."),
                ("content-length" = u64, description = "The range's length."),
                ("content-range" = String, description = "Which bytes of how many, as `bytes 0-1023/4096`."),
            ),
        ),
        LoggedOut, NotForThisRole, Missing, OutOfRange, Failed,
    ),
)]
pub(super) async fn play(
    State(service): App,
    Path((id, n)): Path<(String, String)>,
    Caller(inspector): Caller,
    headers: HeaderMap,
) -> Answer<Response> {
    let n: usize = n.parse().map_err(|_| Problem::missing())?;
    let answer = audio::respond(&service, &inspector, report_id(&id)?, n, &headers).await?;
    if answer.status() != StatusCode::RANGE_NOT_SATISFIABLE {
        return Ok(answer);
    }
    // The console's player needs only the status; clients of the API get a problem.
    Ok(Problem::out_of_range().into_response())
}
