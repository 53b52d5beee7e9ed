//! The OpenAPI 3.1 description of the API, made of the handlers and of the types they read and answer with.

use super::answers;
use super::problem::Details;
use super::routes;
use crate::report::status::Outcome;
use crate::service::Service;
use axum::http::header;
use axum::response::IntoResponse;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use utoipa::openapi::schema::AdditionalProperties;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{Modify, OpenApi, ToSchema};
use utoipa_axum::router::OpenApiRouter;

/// The name of the security scheme.
const SESSION: &str = "session";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "dutyline",
        version = "1",
        description = "What inspectors do with the reports of their lines, for scripts.\n\n\
            Every error is `application/problem+json` (RFC 9457): 404 for an address that is none, 405 for one that \
            does not do that. What is not yours looks as if it were not there. Unknown keys and filters are refused. \
            Nothing may be cached.",
    ),
    servers((url = "/api/v1")),
    security(("session" = [])),
    components(schemas(Details)),
    modifiers(&Shared),
    tags(
        (name = "session", description = "Logging in and out."),
        (name = "lines", description = "How the lines stand."),
        (name = "reports", description = "The queue, and what is in a report."),
        (name = "work", description = "What inspectors do with a report."),
        (name = "description", description = "This."),
    ),
)]
struct Description;

/// The parts that all operations share: the authentication and the problems.
struct Shared;

impl Modify for Shared {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let components = openapi.components.get_or_insert_default();
        let bearer = Http::builder()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("The token that `POST /session` gives."))
            .build();
        components.add_security_scheme(SESSION, SecurityScheme::Http(bearer));
        components.responses.extend(answers::described());
    }
}

/// Returns the API's router with the description. Every address has one, because routes are added only together with
/// it.
pub(in crate::web) fn router() -> OpenApiRouter<Arc<Service>> {
    let mut router = routes().into_iter().fold(
        OpenApiRouter::with_openapi(Description::openapi()),
        |router, (_, route)| router.routes(route),
    );
    let components = &mut router.get_openapi_mut().components;
    refuse_unknown_keys(&mut components.get_or_insert_default().schemas);
    router
}

/// Adds `additionalProperties: false` to the schema of [`Outcome`]. utoipa does that for `deny_unknown_fields` on
/// structs, but not on tagged enums.
fn refuse_unknown_keys(schemas: &mut BTreeMap<String, RefOr<Schema>>) {
    let Some(RefOr::T(Schema::OneOf(outcomes))) = schemas.get_mut(&*Outcome::name()) else {
        return;
    };
    for outcome in &mut outcomes.items {
        if let RefOr::T(Schema::Object(object)) = outcome {
            object.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
        }
    }
}

/// This description.
///
/// Needs no login, and contains no data of callers or members.
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "description",
    tag = "description",
    security(()),
    responses((status = 200, description = "OpenAPI 3.1.", body = serde_json::Map<String, serde_json::Value>)),
)]
pub(super) async fn description() -> impl IntoResponse {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        router()
            .into_openapi()
            .to_json()
            .expect("a description is always JSON")
    });
    ([(header::CONTENT_TYPE, "application/json")], TEXT.as_str())
}
