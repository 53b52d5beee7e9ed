//! The OpenAPI 3.1 description of the API, generated from the handlers and the types of their requests and responses.

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

/// Name, in the description, of the security scheme: the bearer token of a session.
const SESSION: &str = "session";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "dutyline",
        version = "1",
        description = "For scripts of inspectors: the state of their lines, and their work on reports.\n\n\
            Every error is `application/problem+json` (RFC 9457). An unknown address is answered with 404, a method \
            that an address does not support with 405. Objects of lines that are not yours are answered like objects \
            that do not exist. Unknown keys and filters are refused. Responses must not be cached.",
    ),
    servers((url = "/api/v1")),
    security(("session" = [])),
    components(schemas(Details)),
    modifiers(&Shared),
    tags(
        (name = "session", description = "Login and logout."),
        (name = "lines", description = "State of lines."),
        (name = "reports", description = "The queue, reports, recordings, and calls without a message."),
        (name = "work", description = "Changes that inspectors make to a report."),
        (name = "description", description = "This OpenAPI description."),
    ),
)]
struct Description;

/// Adds the parts that operations share: the authentication and the error responses.
struct Shared;

impl Modify for Shared {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let components = openapi.components.get_or_insert_default();
        let bearer = Http::builder()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("The token that `POST /session` returns."))
            .build();
        components.add_security_scheme(SESSION, SecurityScheme::Http(bearer));
        components.responses.extend(answers::described());
    }
}

/// Returns the API's router together with its OpenAPI description. Every route is described, because a route and its
/// description are added in one step.
pub(in crate::web) fn router() -> OpenApiRouter<Arc<Service>> {
    let mut router = routes().into_iter().fold(
        OpenApiRouter::with_openapi(Description::openapi()),
        |router, (_, route)| router.routes(route),
    );
    let components = &mut router.get_openapi_mut().components;
    refuse_unknown_keys(&mut components.get_or_insert_default().schemas);
    router
}

/// Adds `additionalProperties: false` to every variant in the schema of [`Outcome`]. utoipa does that for
/// `deny_unknown_fields` on structs, but not on tagged enums.
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

/// Returns this OpenAPI description.
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
